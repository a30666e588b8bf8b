//! Names for Avro: `schema.name.adjustment.mode` and `field.name.adjustment.mode`.
//!
//! Done once per table shape. Source: Debezium 3.6 by what it emits: in a schema's name the dots stay, in a field's name
//! they are characters like others.

use api::Text;

use crate::mysql::config::events::NameAdjustment;

/// The name of a schema: the part before each dot is a name of its own.
pub(super) fn schema_name(name: &str, mode: NameAdjustment) -> Text {
    adjusted(name, mode, true)
}

/// The name of a field.
pub(super) fn field_name(name: &Text, mode: NameAdjustment) -> Text {
    if mode == NameAdjustment::None { name.clone() } else { adjusted(name, mode, false) }
}

fn adjusted(name: &str, mode: NameAdjustment, dots: bool) -> Text {
    let unicode = match mode {
        NameAdjustment::None => return Text::from(name),
        NameAdjustment::Avro => false,
        NameAdjustment::AvroUnicode => true,
    };
    let mut out = String::with_capacity(name.len());
    for (index, unit) in name.encode_utf16().enumerate() {
        let c = char::from_u32(u32::from(unit)).filter(char::is_ascii);
        let fits = match c {
            Some('_') => !unicode,
            Some('.') => dots && index > 0,
            Some(c) if index == 0 => c.is_ascii_alphabetic(),
            Some(c) => c.is_ascii_alphanumeric(),
            None => false,
        };
        match c.filter(|_| fits) {
            Some(c) => out.push(c),
            None if unicode => out.push_str(&format!("_u{unit:04x}")),
            // A digit may not come first: it is kept behind an underscore.
            None if index == 0 && c.is_some_and(|c| c.is_ascii_digit()) => {
                out.push('_');
                out.extend(c);
            }
            None => out.push('_'),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_what_debezium_makes_of_them() {
        let avro =
            |name: &'static str| field_name(&Text::from_static(name), NameAdjustment::Avro).to_string();
        let unicode = |name: &'static str| {
            field_name(&Text::from_static(name), NameAdjustment::AvroUnicode).to_string()
        };
        assert_eq!(["1st col", "b-c", "d.e", "ünï"].map(avro), ["_1st_col", "b_c", "d_e", "_n_"]);
        assert_eq!(
            ["1st col", "b-c", "d.e", "ünï"].map(unicode),
            ["_u0031st_u0020col", "b_u002dc", "d_u002ee", "_u00fcn_u00ef"]
        );
        assert_eq!(
            &*schema_name("unicode.corpus.Odd-Name_1.x.Value", NameAdjustment::AvroUnicode),
            "unicode.corpus.Odd_u002dName_u005f1.x.Value"
        );
        assert_eq!(&*schema_name("a.b-c_d.Key", NameAdjustment::Avro), "a.b_c_d.Key");
    }
}
