//! A JSON number as a Decimal: its unscaled digits at the schema's scale.
//!
//! The invariant: no digit is lost. A number with more digits after the point than the schema keeps is an error.

use api::{Schema, Value, logical};
use num_bigint::BigInt;

use super::fault::Fault;

/// How many digits are read or added at most; reading them takes time in the square of their number.
const DIGITS_MAX: usize = 10_000;

/// The Decimal that a number says, in the form of the schema.
pub(super) fn from_number(text: &str, schema: &Schema) -> Result<Value, Fault> {
    let scale = schema.parameter(logical::SCALE).and_then(|scale| scale.parse::<i64>().ok());
    let scale = scale.ok_or_else(|| Fault::new("Invalid Decimal schema: scale parameter not found."))?;
    let unfit = |problem: &str| Fault::new(format!("Decimal {} {problem}", text.get(..40).unwrap_or(text)));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 =
        exponent.parse().map_err(|cause| unfit(&format!("has an impossible exponent: {cause}")))?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    // The number is `digits` times ten to the power of `exponent - fraction.len()`; the schema wants the power `-scale`.
    let fraction_digits = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let zeros = exponent.saturating_sub(fraction_digits).saturating_add(scale);
    if digits.len() > DIGITS_MAX || zeros.unsigned_abs() > DIGITS_MAX as u64 {
        return Err(unfit(&format!("has more than {DIGITS_MAX} digits")));
    }
    let count = usize::try_from(zeros.unsigned_abs()).unwrap_or(DIGITS_MAX);
    if zeros >= 0 {
        digits.extend(std::iter::repeat_n('0', count));
    } else {
        let kept = digits.len().saturating_sub(count).max(digits.find(|c| c != '-').unwrap_or(0));
        if digits.bytes().skip(kept).any(|digit| digit != b'0') {
            return Err(unfit(&format!("has more digits after the point than the schema's scale {scale}")));
        }
        digits.truncate(kept);
        digits.push_str(if kept == 0 || digits == "-" { "0" } else { "" });
    }
    let unscaled: BigInt = digits.parse().map_err(|cause| unfit(&format!("cannot be read: {cause}")))?;
    Ok(Value::Bytes(unscaled.to_signed_bytes_be().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unscaled(text: &str, scale: i32) -> Option<i64> {
        match from_number(text, &logical::decimal(scale).build()) {
            Ok(Value::Bytes(bytes)) => BigInt::from_signed_bytes_be(&bytes).try_into().ok(),
            _ => None,
        }
    }

    #[test]
    fn digits_move_to_the_schemas_scale() {
        let cases = [
            ("1.5", 2, 150),
            ("-1.10", 2, -110),
            ("15e2", 0, 1500),
            ("1500", -2, 15),
            ("1.50", 1, 15),
            ("0", 3, 0),
        ];
        for (text, scale, expected) in cases {
            assert_eq!(unscaled(text, scale), Some(expected), "{text}");
        }
        assert_eq!(
            (unscaled("0.00", 1), unscaled("-0.000", 0), unscaled("0", -5)),
            (Some(0), Some(0), Some(0))
        );
    }

    #[test]
    fn no_digit_is_lost_and_none_are_invented_without_end() {
        for text in ["1.55", "-0.01", "1e-9", "1e99999999", "1e99999999999999999999"] {
            assert_eq!(unscaled(text, 1), None, "{text}");
        }
    }
}
