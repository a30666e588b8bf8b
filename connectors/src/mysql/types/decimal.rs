//! DECIMAL: from MySQL's packed digits, or from text, to Connect's Decimal.
//!
//! On the hot path of both readers. Up to 38 digits are summed up in a `u128`, more (65 at most) in four words; no big-number
//! library is needed. Source of the binary form: MySQL's `decimal2bin` (strings/decimal.cc): groups of nine digits in
//! four bytes, most significant first, shorter groups at both ends, the sign in the first bit and negative ones inverted.

use api::{Bytes, Value, ValueRef};

use super::DecimalHandling;

/// How many bytes so many digits of a shorter group take.
const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const POWERS: [u32; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
/// More digits than DECIMAL(65) has never fit.
const DIGITS_MAX: usize = 76;
const BYTES_MAX: usize = 32;

/// The form of one DECIMAL column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecimalForm {
    pub(crate) precision: usize,
    pub(crate) scale: usize,
    pub(crate) handling: DecimalHandling,
}

impl DecimalForm {
    /// How many bytes a packed value takes.
    pub(crate) const fn packed_length(self) -> usize {
        let integer = self.precision.saturating_sub(self.scale);
        integer / 9 * 4 + BYTES_OF_DIGITS[integer % 9] + self.scale / 9 * 4 + BYTES_OF_DIGITS[self.scale % 9]
    }

    /// Reads packed digits, which are as many bytes as [`DecimalForm::packed_length`] says.
    pub(crate) fn packed(self, bytes: &[u8]) -> Value {
        self.finish(&self.unpack(bytes))
    }

    /// [`DecimalForm::packed`], shown rather than made.
    pub(crate) fn show_packed(self, bytes: &[u8], taker: &mut dyn FnMut(ValueRef<'_>)) {
        let number = self.unpack(bytes);
        match self.handling {
            DecimalHandling::Precise => number.with_bytes(|bytes| taker(ValueRef::Bytes(bytes))),
            _ => taker(self.finish(&number).borrowed()),
        }
    }

    fn unpack(self, bytes: &[u8]) -> Number {
        let negative = bytes.first().is_some_and(|first| first & 0x80 == 0);
        let mut number = Number { negative, ..Number::default() };
        let integer = self.precision.saturating_sub(self.scale);
        let groups = std::iter::once(integer % 9)
            .chain(std::iter::repeat_n(9, integer / 9))
            .chain(std::iter::repeat_n(9, self.scale / 9))
            .chain(std::iter::once(self.scale % 9));
        let mut position = 0;
        for digits in groups {
            let length = BYTES_OF_DIGITS[digits];
            let mut group = 0_u32;
            for byte in &bytes[position..position + length] {
                let mut byte = if negative { !byte } else { *byte };
                if position == 0 {
                    byte ^= 0x80;
                }
                position += 1;
                group = group << 8 | u32::from(byte);
            }
            number.push(digits, group);
        }
        number
    }

    /// Reads text such as `-12.340` or `1e3`, rounding half away from zero to the column's scale.
    pub(crate) fn parsed(self, text: &str) -> Option<Value> {
        Some(self.finish(&self.number(text)?))
    }

    /// [`DecimalForm::parsed`], shown rather than made; `None` for what is no number.
    pub(crate) fn show_parsed(self, text: &str, taker: &mut dyn FnMut(ValueRef<'_>)) -> Option<()> {
        let number = self.number(text)?;
        match self.handling {
            DecimalHandling::Precise => number.with_bytes(|bytes| taker(ValueRef::Bytes(bytes))),
            _ => taker(self.finish(&number).borrowed()),
        }
        Some(())
    }

    fn number(self, text: &str) -> Option<Number> {
        small(text, self.scale).or_else(|| parse(text, self.scale))
    }

    fn finish(self, number: &Number) -> Value {
        match self.handling {
            DecimalHandling::Precise => Value::Bytes(number.to_bytes()),
            DecimalHandling::String => Value::from(number.to_text(self.scale)),
            DecimalHandling::Double => Value::Float64(number.to_text(self.scale).parse().unwrap_or(f64::NAN)),
        }
    }
}

/// The number of a text that has just the column's scale and fits a word, as servers print nearly every decimal.
fn small(text: &str, scale: usize) -> Option<Number> {
    const DIGITS_MAX: usize = 18;
    let text = text.as_bytes();
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let point = digits.len().checked_sub(scale + 1).filter(|_| scale > 0);
    if digits.is_empty() || digits.len() > DIGITS_MAX || point == Some(0) || (scale > 0 && point.is_none()) {
        return None;
    }
    let mut number = 0;
    for (place, byte) in digits.iter().enumerate() {
        if Some(place) == point {
            if *byte != b'.' {
                return None;
            }
        } else {
            number = number * 10 + u64::from(char::from(*byte).to_digit(10)?);
        }
    }
    Some(Number { negative, words: [number, 0, 0, 0] })
}

/// An unsigned 64-bit number as Connect's Decimal of scale 0.
pub(crate) fn unsigned_decimal(number: u64) -> Value {
    let mut all = Number::default();
    all.words[0] = number;
    Value::Bytes(all.to_bytes())
}

/// A decimal's unscaled digits: 256 bits and a sign.
#[derive(Debug, Clone, Default)]
struct Number {
    negative: bool,
    /// Least significant first.
    words: [u64; 4],
}

impl Number {
    /// Appends so many digits.
    fn push(&mut self, digits: usize, group: u32) {
        let [first, higher @ ..] = &self.words;
        if *first < 1 << 34 && higher.iter().all(|word| *word == 0) {
            // Ten digits times a billion still fit a word.
            self.words[0] = self.words[0] * u64::from(POWERS[digits]) + u64::from(group);
            return;
        }
        let mut carry = u128::from(group);
        for word in &mut self.words {
            let sum = u128::from(*word) * u128::from(POWERS[digits]) + carry;
            *word = low_word(sum);
            carry = sum >> 64;
        }
    }

    /// Big-endian two's complement in as few bytes as Java's `BigInteger.toByteArray`.
    fn to_bytes(&self) -> Bytes {
        self.with_bytes(Bytes::copy_from_slice)
    }

    /// Gives `taker` those bytes.
    fn with_bytes<T>(&self, taker: impl FnOnce(&[u8]) -> T) -> T {
        if let ([_, 0, 0, 0], Ok(number)) = (self.words, i64::try_from(self.words[0])) {
            let number = if self.negative { -number } else { number };
            // The bits that only repeat the sign, but for one.
            let redundant = (number ^ (number >> 63)).leading_zeros() - 1;
            let bytes = number.to_be_bytes();
            return taker(&bytes[usize::try_from(redundant / 8).unwrap_or_default()..]);
        }
        let mut bytes = [0_u8; BYTES_MAX];
        let mut carry = self.negative;
        for (place, word) in self.words.iter().enumerate() {
            let (word, overflow) =
                if self.negative { (!word).overflowing_add(u64::from(carry)) } else { (*word, false) };
            carry = overflow;
            let end = BYTES_MAX - place * 8;
            bytes[end - 8..end].copy_from_slice(&word.to_be_bytes());
        }
        let sign = bytes[0];
        let redundant =
            |pair: &[u8]| pair[0] == sign && (sign == 0 || sign == 0xff) && (pair[1] ^ sign) & 0x80 == 0;
        let start = bytes.windows(2).take_while(|pair| redundant(pair)).count();
        taker(&bytes[start..])
    }

    fn to_text(&self, scale: usize) -> String {
        let mut digits = Vec::with_capacity(DIGITS_MAX);
        let mut words = self.words;
        while words.iter().any(|word| *word != 0) || digits.len() <= scale {
            let mut rest = 0_u128;
            for word in words.iter_mut().rev() {
                let all = rest << 64 | u128::from(*word);
                *word = low_word(all / 10);
                rest = all % 10;
            }
            digits.push(b'0' + low_byte(rest));
        }
        let mut text = String::with_capacity(digits.len() + 2);
        if self.negative && self.words.iter().any(|word| *word != 0) {
            text.push('-');
        }
        for (left, digit) in (0..digits.len()).rev().zip(digits.iter().rev()) {
            text.push(char::from(*digit));
            if left == scale && scale > 0 {
                text.push('.');
            }
        }
        text
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the low 64 bits are what is asked for")]
const fn low_word(number: u128) -> u64 {
    number as u64
}

#[allow(clippy::cast_possible_truncation, reason = "a remainder of ten")]
const fn low_byte(number: u128) -> u8 {
    number as u8
}

/// Digits, with the point moved so that `scale` of them stand after it.
fn parse(text: &str, scale: usize) -> Option<Number> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = integer.bytes().chain(fraction.bytes());
    if integer.len() + fraction.len() == 0 || !digits.clone().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let wanted =
        i32::try_from(integer.len()).ok()?.checked_add(exponent)?.checked_add(i32::try_from(scale).ok()?)?;
    let Ok(wanted) = usize::try_from(wanted) else { return Some(Number::default()) };
    let mut number = Number { negative, ..Number::default() };
    let significant = integer.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0').count();
    if wanted.saturating_sub(integer.len() + fraction.len()) + significant > DIGITS_MAX {
        return None;
    }
    let mut padded = digits.clone().chain(std::iter::repeat(b'0'));
    for digit in padded.by_ref().take(wanted) {
        number.push(1, u32::from(digit - b'0'));
    }
    if digits.clone().nth(wanted).is_some_and(|next| next >= b'5') {
        number.push(0, 1);
    }
    number.negative &= number.words.iter().any(|word| *word != 0);
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(precision: usize, scale: usize, handling: DecimalHandling) -> DecimalForm {
        DecimalForm { precision, scale, handling }
    }

    fn unscaled(text: &str, scale: usize) -> Vec<u8> {
        match form(65, scale, DecimalHandling::Precise).parsed(text) {
            Some(Value::Bytes(bytes)) => bytes.to_vec(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn unscaled_bytes_are_the_shortest() {
        for (text, scale, bytes) in [
            ("0", 0, vec![0]),
            ("-0.00", 2, vec![0]),
            ("127", 0, vec![127]),
            ("128", 0, vec![0, 128]),
            ("-128", 0, vec![128]),
            ("-129", 0, vec![255, 127]),
            ("1.5", 3, vec![0x05, 0xdc]),
            ("255", 0, vec![0, 255]),
            ("-256", 0, vec![255, 0]),
            ("12.345", 2, vec![0x04, 0xd3]),
            ("1e3", 0, vec![0x03, 0xe8]),
            ("-.005", 2, vec![255]),
        ] {
            assert_eq!(unscaled(text, scale), bytes, "{text}");
        }
    }

    #[test]
    fn what_servers_print_is_read_as_anything_else_is() {
        for (text, scale) in [
            ("0.00", 2),
            ("-0.01", 2),
            ("99999999.99", 2),
            ("-128", 0),
            ("32768", 0),
            ("-999999999999999.99", 2),
            ("0.5", 1),
        ] {
            let number = small(text, scale).unwrap_or_else(|| panic!("{text}"));
            let parsed = parse(text, scale).unwrap();
            assert_eq!((number.words, number.to_bytes()), (parsed.words, parsed.to_bytes()), "{text}");
        }
        for (text, scale) in [
            ("", 0),
            ("-", 0),
            (".50", 2),
            ("1.5", 2),
            ("1", 1),
            ("1e3", 0),
            ("12.3", 0),
            ("1234567890123456789", 0),
            ("1 2", 0),
        ] {
            assert!(small(text, scale).is_none(), "{text}");
        }
    }

    #[test]
    fn packed_digits_are_read_at_both_limits() {
        let packed = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        let text = form(14, 4, DecimalHandling::String);
        assert_eq!(text.packed_length(), packed.len());
        assert_eq!(text.packed(&packed), Value::from("1234567890.1234"));
        let negative: Vec<u8> = packed.iter().map(|byte| !byte).collect();
        assert_eq!(text.packed(&negative), Value::from("-1234567890.1234"));
        let widest = form(65, 30, DecimalHandling::String);
        assert_eq!(widest.packed_length(), 30);
        let nines = "99999999999999999999999999999999999.999999999999999999999999999999";
        assert_eq!(widest.parsed(nines), Some(Value::from(nines)));
        assert_eq!(unscaled(nines, 30).len(), 28);
    }

    #[test]
    fn text_that_is_no_number_is_none() {
        for text in ["", "-", ".", "1.2.3", "abc", "1e", "1e999999999", "99e75"] {
            assert_eq!(form(65, 0, DecimalHandling::Precise).parsed(text), None, "{text}");
        }
    }

    #[test]
    fn unsigned_numbers_keep_their_highest_bit() {
        assert_eq!(
            unsigned_decimal(u64::MAX),
            Value::Bytes(Bytes::from_static(&[0, 255, 255, 255, 255, 255, 255, 255, 255]))
        );
    }
}
