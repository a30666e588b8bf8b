//! Structs with values of their own and structs that share fields: to whoever reads they are the same.

use super::super::StructRef;
use super::*;
use crate::schema::{Schema, SchemaType};

fn point() -> SchemaRef {
    Schema::structure()
        .field("x", Schema::plain(SchemaType::Int32))
        .field("y", Schema::builder(SchemaType::Int32).optional().default_value(7).build())
        .field("z", Schema::plain_optional(SchemaType::Int32))
        .build()
}

fn ints(values: [i32; 3]) -> Vec<Value> {
    values.map(Value::Int32).to_vec()
}

#[test]
fn a_struct_holds_one_value_per_field() {
    assert!(Struct::of(point(), vec![Value::Int32(1)]).is_err());
    let value = Struct::of(point(), vec![Value::Int32(1), Value::Null, Value::Null]).unwrap();
    assert_eq!(value.get("y"), Some(&Value::Null));
    assert_eq!(value.get_or_default("y"), Some(&Value::Int32(7)));
    assert_eq!(value.get("other"), None);
}

#[test]
fn putting_into_an_unknown_field_names_it() {
    let error = Struct::new(point()).with("other", 1).unwrap_err();
    assert!(error.to_string().contains("other is not a valid field name"), "{error}");
}

#[test]
fn who_reads_sees_no_difference_between_shared_and_own_fields() {
    let shared = SharedFields::new(point(), ints([1, 0, 3]), &[1]).unwrap();
    let sharing = Struct::sharing(&shared, [Value::Int32(2), Value::Null, Value::Null]);
    let own = Struct::of(point(), ints([1, 2, 3])).unwrap();
    assert_eq!(sharing, own);
    assert_eq!(format!("{sharing:?}"), format!("{own:?}"));
    assert_eq!(sharing.get("y"), Some(&Value::Int32(2)));
    assert_eq!(sharing.values(), [1, 2, 3].map(Value::Int32));
    assert_eq!(sharing.clone().into_values(), ints([1, 2, 3]));
    assert_eq!(sharing.values().into_iter().count(), 3);
    let changed = sharing.clone().with("z", 9).unwrap();
    assert!(changed.shared().is_none() && sharing.shared().is_some());
    assert_eq!(changed.values(), [1, 2, 9].map(Value::Int32));
    assert_eq!(sharing, own, "the one that was cloned stays as it was");
}

#[test]
fn places_that_cannot_vary_are_refused() {
    for wrong in [&[3][..], &[1, 0], &[1, 1], &[0, 1, 2, 3]] {
        let refused = SharedFields::new(point(), ints([1, 2, 3]), wrong).unwrap_err();
        assert!(refused.to_string().contains("cannot vary"), "{wrong:?}: {refused}");
    }
    assert!(SharedFields::new(point(), Vec::new(), &[]).is_err());
}

/// Points that are numbers until somebody looks.
#[derive(Debug)]
struct Points(SchemaRef, Vec<std::sync::OnceLock<Struct>>);

impl PackedStructs for Points {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn unpacked(&self, number: usize) -> &Struct {
        let x = i32::try_from(number).unwrap();
        self.1[number].get_or_init(|| Struct::of(SchemaRef::clone(&self.0), ints([x, x + 1, x + 2])).unwrap())
    }

    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        viewer(StructRef::Made(self.unpacked(number)));
    }
}

#[test]
fn who_looks_at_a_packed_struct_sees_no_difference_and_who_does_not_makes_none() {
    let points = Arc::new(Points(point(), (0..9).map(|_| std::sync::OnceLock::new()).collect()));
    let packed = Struct::of_packed(Arc::clone(&points) as Arc<dyn PackedStructs>, 4);
    let kept = packed.clone();
    assert!(SchemaRef::ptr_eq(packed.schema(), &points.0) && packed.packed().is_some());
    assert!(points.1[4].get().is_none(), "nobody looked yet");
    let own = Struct::of(point(), ints([4, 5, 6])).unwrap();
    assert_eq!(packed, own);
    assert_eq!(format!("{packed:?}"), format!("{own:?}"));
    assert_eq!((packed.get("y"), packed.values().len()), (Some(&Value::Int32(5)), 3));
    assert!(packed.shared().is_none() && points.1[4].get().is_some());
    let changed = packed.with("z", 9).unwrap();
    assert!(changed.packed().is_none());
    assert_eq!(changed.into_values(), ints([4, 5, 9]));
    assert_eq!(kept.into_values(), ints([4, 5, 6]), "the one that was cloned stays as it was");
}
