//! What record number n is. Pure; the hot path of the generator.
//!
//! Invariant: key and value depend on the seed and the number alone, so that a restart, another task or another run gives the
//! same. Texts are made once and shared.

use std::sync::Arc;

use api::{Error, Result, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Text, Value};

use super::config::Quickstart;

/// The first moment that is told: 2017-02-21T22:22:55.521Z.
const TIME_ZERO_MS: i64 = 1_487_715_775_521;
const ITEMS: u64 = 1000;
const USERS: u64 = 10_000;
const REGIONS: u64 = 10;
const GENDERS: [&str; 3] = ["MALE", "FEMALE", "OTHER"];
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _";

/// Makes keys and values.
#[derive(Debug)]
pub(super) struct Generator {
    seed: u64,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Orders { schema: SchemaRef, address: SchemaRef, items: Vec<Text>, cities: Vec<Text>, states: Vec<Text> },
    Users { schema: SchemaRef, users: Vec<Text>, regions: Vec<Text> },
    Lines { bytes: usize },
}

impl Generator {
    pub(super) fn new(quickstart: Quickstart, seed: u64, line_bytes: usize) -> Self {
        let shape = match quickstart {
            Quickstart::Orders => orders(),
            Quickstart::Users => users(),
            Quickstart::Lines => Shape::Lines { bytes: line_bytes },
        };
        Self { seed, shape }
    }

    /// About how many bytes a record takes.
    pub(super) const fn record_bytes(&self) -> usize {
        match self.shape {
            Shape::Orders { .. } => 200,
            Shape::Users { .. } => 100,
            Shape::Lines { bytes } => bytes,
        }
    }

    /// The key and the value of the record of this number.
    ///
    /// # Errors
    /// `Fatal` beyond the numbers that an INT64 has.
    pub(super) fn record(&self, number: u64) -> Result<(SchemaAndValue, SchemaAndValue)> {
        let id = i64::try_from(number)
            .map_err(|error| Error::fatal("all numbers are used up").with_source(error))?;
        let mut random = Random::new(self.seed, number);
        match &self.shape {
            Shape::Orders { schema, address, items, cities, states } => {
                let (city, state) = (random.pick(cities), random.pick(states));
                let address = Struct::of(
                    Arc::clone(address),
                    vec![city, state, Value::Int64(random.below_i64(90_000) + 10_000)],
                )?;
                // Wraps around after 2^31 orders, as the field is an INT32.
                let order = Value::Int32(i32::try_from(id % (1 << 31)).unwrap_or(0));
                let units = Value::Float64(f64::from(random.below(100)) / 10.0 + 0.1);
                let values = vec![time(id), order.clone(), random.pick(items), units, address.into()];
                let key = SchemaAndValue::new(Schema::plain(SchemaType::Int32), order);
                Ok((key, SchemaAndValue::of_struct(Struct::of(Arc::clone(schema), values)?)))
            }
            Shape::Users { schema, users, regions } => {
                let user = random.pick(users);
                let gender = GENDERS.get(usize::try_from(random.below(3)).unwrap_or(0));
                let values = vec![
                    time(id),
                    user.clone(),
                    random.pick(regions),
                    Value::from_static(gender.unwrap_or(&"OTHER")),
                ];
                let key = SchemaAndValue::new(Schema::plain(SchemaType::String), user);
                Ok((key, SchemaAndValue::of_struct(Struct::of(Arc::clone(schema), values)?)))
            }
            Shape::Lines { bytes } => {
                Ok((SchemaAndValue::NULL, SchemaAndValue::of_text(random.line(*bytes, number))))
            }
        }
    }
}

/// A moment a second after that of the number before.
fn time(number: i64) -> Value {
    Value::Int64(TIME_ZERO_MS.saturating_add(number.saturating_mul(1000)))
}

fn orders() -> Shape {
    let text = || Schema::plain(SchemaType::String);
    let address = Schema::structure()
        .name("millrace.datagen.Address")
        .field("city", text())
        .field("state", text())
        .field("zipcode", Schema::plain(SchemaType::Int64))
        .build();
    let schema = Schema::structure()
        .name("millrace.datagen.Order")
        .field("ordertime", Schema::plain(SchemaType::Int64))
        .field("orderid", Schema::plain(SchemaType::Int32))
        .field("itemid", text())
        .field("orderunits", Schema::plain(SchemaType::Float64))
        .field("address", Arc::clone(&address))
        .build();
    Shape::Orders {
        schema,
        address,
        items: texts("Item_", ITEMS),
        cities: texts("City_", 100),
        states: texts("State_", 50),
    }
}

fn users() -> Shape {
    let text = || Schema::plain(SchemaType::String);
    let schema = Schema::structure()
        .name("millrace.datagen.User")
        .field("registertime", Schema::plain(SchemaType::Int64))
        .field("userid", text())
        .field("regionid", text())
        .field("gender", text())
        .build();
    Shape::Users { schema, users: texts("User_", USERS), regions: texts("Region_", REGIONS) }
}

fn texts(prefix: &str, count: u64) -> Vec<Text> {
    (1..=count).map(|number| Text::from(format!("{prefix}{number}"))).collect()
}

/// Random numbers that a seed and a number determine (SplitMix64).
struct Random(u64);

impl Random {
    const fn new(seed: u64, number: u64) -> Self {
        Self(Self(seed).mixed() ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    const fn mixed(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.mixed()
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit.max(1))).unwrap_or(0)
    }

    fn below_i64(&mut self, limit: u32) -> i64 {
        i64::from(self.below(limit))
    }

    fn pick(&mut self, texts: &[Text]) -> Value {
        let index = usize::try_from(self.next() % (texts.len() as u64).max(1)).unwrap_or(0);
        Value::from(texts.get(index).cloned())
    }

    /// The number, and letters up to the length; shorter than the number, its last digits.
    fn line(&mut self, bytes: usize, number: u64) -> Text {
        let mut line = format!("{number} ");
        while line.len() < bytes {
            let letters = self.next().to_le_bytes().map(|byte| LETTERS[usize::from(byte % 64)]);
            line.extend(letters.iter().map(|letter| char::from(*letter)));
        }
        line.truncate(bytes);
        Text::from(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_depends_on_seed_and_number_alone_and_fits_its_schema() {
        for quickstart in [Quickstart::Orders, Quickstart::Users, Quickstart::Lines] {
            let (first, again, other) = (
                Generator::new(quickstart, 1, 50),
                Generator::new(quickstart, 1, 50),
                Generator::new(quickstart, 2, 50),
            );
            for number in [0, 1, 4711, 1 << 40] {
                let (key, value) = first.record(number).unwrap();
                assert_eq!((key.clone(), value.clone()), again.record(number).unwrap());
                assert_ne!(value, other.record(number).unwrap().1);
                assert_ne!(value, first.record(number + 1).unwrap().1);
                value.value.validate(value.schema.as_ref().unwrap()).unwrap();
                assert!(key.schema.is_none_or(|schema| key.value.validate(&schema).is_ok()));
            }
        }
    }

    #[test]
    fn lines_have_their_length_and_their_number() {
        let generator = Generator::new(Quickstart::Lines, 1, 100);
        let (_, line) = generator.record(4711).unwrap();
        let line = line.value.as_str().unwrap().to_owned();
        assert!(line.len() == 100 && line.starts_with("4711 "), "{line}");
        assert_eq!(
            Generator::new(Quickstart::Lines, 1, 3).record(4711).unwrap().1.value.as_str(),
            Some("471")
        );
    }
}
