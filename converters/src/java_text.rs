//! Numbers as Java writes them: `Double.toString`, `Float.toString` and `BigDecimal.toString`, which Jackson and Connect use too.
//!
//! The digits are the shortest that read back as the same number, as in Java 19 and later (JDK-4511638); older Javas sometimes write
//! one digit more. The form is Java's in all versions: `100.0`, `0.001`, `1.0E7`, `1.0E-5`.

use num_bigint::BigInt;

/// How many bytes a decimal may have before it is refused: printing takes time in the square of it.
pub(crate) const DECIMAL_BYTES_MAX: usize = 1 << 16;

/// Appends `Double.toString`.
pub(crate) fn write_f64(number: f64, out: &mut Vec<u8>) {
    if let Some(text) = special(number) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(number);
    match two_digits(shortest, || format!("{number:.1e}"), |text| text.parse() == Ok(number)) {
        Some(nearer) => rewrite(&nearer, out),
        None => rewrite(shortest, out),
    }
}

/// Appends `Float.toString`.
pub(crate) fn write_f32(number: f32, out: &mut Vec<u8>) {
    if let Some(text) = special(f64::from(number)) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(number);
    match two_digits(shortest, || format!("{number:.1e}"), |text| text.parse() == Ok(number)) {
        Some(nearer) => rewrite(&nearer, out),
        None => rewrite(shortest, out),
    }
}

/// `Double.toString`.
pub(crate) fn f64_text(number: f64) -> String {
    let mut out = Vec::new();
    write_f64(number, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// `Float.toString`.
pub(crate) fn f32_text(number: f32) -> String {
    let mut out = Vec::new();
    write_f32(number, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Java's names for what is not a finite number.
pub(crate) fn special(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// Java writes two digits at least and lets the second be the nearest: the smallest double is `4.9E-324`, not `5.0E-324`. That differs
/// from the shortest digits only for the smallest numbers of all, whose neighbours are far away.
fn two_digits(
    shortest: &str,
    rounded: impl Fn() -> String,
    reads_back: impl Fn(&str) -> bool,
) -> Option<String> {
    let (mantissa, exponent) = shortest.split_once('e')?;
    if mantissa.trim_start_matches('-').len() > 1
        || exponent.parse().is_ok_and(|exponent: i32| exponent > -40)
    {
        return None;
    }
    Some(rounded()).filter(|text| reads_back(text))
}

/// From Rust's form of the digits (`1e-5`, `12.5`) to Java's.
fn rewrite(text: &str, out: &mut Vec<u8>) {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    out.extend_from_slice(sign.as_bytes());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Seventeen digits at most, and zeros that ryu writes in front of or behind them.
    let mut room = [b'0'; 32];
    for (slot, digit) in room.iter_mut().zip(whole.bytes().chain(fraction.bytes())) {
        *slot = digit;
    }
    let all = &room[..(whole.len() + fraction.len()).min(room.len())];
    let leading_zeros = all.iter().take_while(|digit| **digit == b'0').count();
    let significant = all.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    let digits = all.get(leading_zeros..significant).unwrap_or_default();
    if digits.is_empty() {
        return out.extend_from_slice(b"0.0");
    }
    // The number is d.ddd times ten to this power.
    let power = exponent + length(whole.len()) - length(leading_zeros) - 1;
    match power {
        0..7 => {
            let point = usize::try_from(power + 1).unwrap_or(1);
            let (whole, fraction) = digits.split_at(point.min(digits.len()));
            out.extend_from_slice(whole);
            out.extend(std::iter::repeat_n(b'0', point - whole.len()));
            push_fraction(fraction, out);
        }
        -3..0 => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', usize::try_from(-power - 1).unwrap_or(0)));
            out.extend_from_slice(digits);
        }
        _ => {
            out.push(digits[0]);
            push_fraction(&digits[1..], out);
            out.push(b'E');
            out.extend_from_slice(itoa::Buffer::new().format(power).as_bytes());
        }
    }
}

fn push_fraction(fraction: &[u8], out: &mut Vec<u8>) {
    out.push(b'.');
    out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
}

/// A count of digits, which is never large, as a signed number.
fn length(digits: usize) -> i32 {
    i32::try_from(digits).unwrap_or(i32::MAX)
}

/// `BigDecimal.toString` of an unscaled big-endian number with `scale` digits after the point; `None` if it has too many bytes.
pub(crate) fn decimal(unscaled: &[u8], scale: i32) -> Option<String> {
    if unscaled.len() > DECIMAL_BYTES_MAX {
        return None;
    }
    let number = BigInt::from_signed_bytes_be(unscaled).to_string();
    let (sign, digits) = number.strip_prefix('-').map_or(("", number.as_str()), |digits| ("-", digits));
    let adjusted = length(digits.len()).saturating_sub(1).saturating_sub(scale);
    if scale == 0 {
        return Some(number);
    }
    if scale > 0 && adjusted >= -6 {
        let scale = usize::try_from(scale).unwrap_or(0);
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return Some(format!("{sign}{whole}.{fraction}"));
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let exponent = if adjusted == 0 { String::new() } else { format!("E{adjusted:+}") };
    Some(format!("{sign}{first}{point}{rest}{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are what Kafka Connect 4.3 wrote on Java 17, but for those marked: there Java 19 and later write the shorter digits.
    #[test]
    fn doubles_are_javas() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-100.0, "-100.0"),
            (1e6, "1000000.0"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.5e7, "1.5E7"),
            (12_345_678.9, "1.23456789E7"),
            (1e10, "1.0E10"),
            (0.001, "0.001"),
            (0.002, "0.002"),
            (9.99e-4, "9.99E-4"),
            (1e-5, "1.0E-5"),
            (0.1, "0.1"),
            (0.012_5, "0.0125"),
            (1.0 / 3.0, "0.3333333333333333"),
            (123_456.789, "123456.789"),
            (1e21, "1.0E21"),
            (1e23, "1.0E23"), // Java 17: 9.999999999999999E22 for its neighbour
            (2e23, "2.0E23"), // Java 17: 1.9999999999999998E23
            (4.9e-324, "4.9E-324"),
            (1.5e-323, "1.5E-323"),
            (1e-323, "9.9E-324"), // Java 17: 1.0E-323
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, text) in cases {
            assert_eq!(f64_text(number), text);
        }
    }

    #[test]
    fn floats_are_javas() {
        let cases = [
            (0.1, "0.1"),
            (1e7, "1.0E7"),
            (16_777_216.0, "1.6777216E7"),
            (f32::MIN_POSITIVE, "1.1754944E-38"), // Java 17: 1.17549435E-38
            (1e-45, "1.4E-45"),
            (2.8e-45, "2.8E-45"),
            (4.2e-45, "4.2E-45"),
            (f32::MAX, "3.4028235E38"),
            (0.001, "0.001"),
            (3.3e-10, "3.3E-10"),
            (33_554_432.0, "3.3554432E7"),
        ];
        for (number, text) in cases {
            assert_eq!(f32_text(number), text);
        }
    }

    #[test]
    fn every_double_reads_back() {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = f64::from_bits(bits);
            if number.is_finite() {
                let text = f64_text(number);
                assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(bits), "{text}");
            }
        }
    }

    #[test]
    fn decimals_are_javas() {
        let of = |number: i64, scale| decimal(&number.to_be_bytes(), scale).expect("short");
        assert_eq!(of(-110, 2), "-1.10");
        assert_eq!(of(15, 0), "15");
        assert_eq!(of(10_000, 2), "100.00");
        assert_eq!(of(15, -2), "1.5E+3");
        assert_eq!(of(1, 10), "1E-10");
        assert_eq!(of(0, 10), "0E-10");
        assert_eq!(of(5, 2), "0.05");
        assert_eq!(of(1, 6), "0.000001");
        assert_eq!(of(12, 8), "1.2E-7");
        assert_eq!(of(0, -3), "0E+3");
        assert_eq!(decimal(&[], 2).as_deref(), Some("0.00"));
        assert_eq!(decimal(&vec![1; DECIMAL_BYTES_MAX + 1], 0), None);
    }
}
