//! `config!`: one declaration is the struct, its `ConfigDef` and its parser.
//!
//! The invariant: a field and its option stand on one line, so they cannot drift apart. The right-hand side is plain Rust (the builder of
//! [`crate::ConfigKey`]), so mistakes get the compiler's ordinary errors and editors complete it.

/// Declares a set of options: see the crate's example.
///
/// Every field is `name: Type = required("option") | default("option", value) | optional("option")`, followed by any of the methods of
/// [`crate::ConfigKey`]. The option's type follows from the field's ([`crate::FromConfig`]). In scope on the right-hand side are
/// the functions of [`crate::check`], `High`, `Medium`, `Low`, [`crate::Width`] and [`crate::ConfigType`].
///
/// The struct gets `definition()`, `parse(&Props)` and `parse_prefixed(&Props, prefix)`; they and the fields are as visible as the struct.
#[macro_export]
macro_rules! config {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $config:ident {
            $( $(#[doc = $documentation:expr])+ $field:ident : $kind:ty = $key:expr ; )*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug)]
        $visibility struct $config {
            $( $(#[doc = $documentation])+ $visibility $field: $kind, )*
        }

        #[allow(dead_code, reason = "not every declaration is both shown and parsed")]
        impl $config {
            /// The options, declared once.
            #[must_use]
            $visibility fn definition() -> &'static $crate::ConfigDef {
                static DEFINITION: ::std::sync::LazyLock<$crate::ConfigDef> = ::std::sync::LazyLock::new(|| {
                    #[allow(unused_imports, reason = "a declaration uses the words it needs")]
                    use $crate::{
                        ConfigType, Importance::{High, Low, Medium}, Width, check::*, default, optional, required,
                    };
                    $crate::ConfigDef::new(vec![
                        $( $crate::typed::<$kind>($key.documentation(concat!($($documentation, "\n"),+))), )*
                    ])
                });
                &DEFINITION
            }

            /// The typed options, or everything that is wrong with what was said.
            $visibility fn parse(props: &$crate::Props) -> ::std::result::Result<Self, $crate::ConfigErrors> {
                Self::parse_prefixed(props, "")
            }

            /// The same for options that stand under a prefix (`transforms.a.`); errors name them with it.
            $visibility fn parse_prefixed(props: &$crate::Props, prefix: &str) -> ::std::result::Result<Self, $crate::ConfigErrors> {
                #[allow(unused_mut, reason = "a declaration without options reads none")]
                let mut reader = $crate::Reader::new(Self::definition(), props, prefix);
                $( let $field = reader.read::<$kind>(); )*
                let errors = reader.finish();
                match ($($field,)*) {
                    ($(Some($field),)*) if errors.is_empty() => Ok(Self { $($field),* }),
                    #[allow(unreachable_patterns, reason = "a declaration without options always matches the first arm")]
                    _ => Err(errors),
                }
            }
        }
    };
}

/// Declares an enum whose variants are the texts an option may have, in any case: `Base64 = "BASE64"`.
///
/// The enum gets `as_str()`, `ALL`, `Display`, and may be the type of a field in [`config!`].
#[macro_export]
macro_rules! config_enum {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident { $( $(#[doc = $documentation:expr])+ $variant:ident = $text:literal ),+ $(,)? }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name { $( $(#[doc = $documentation])+ $variant ),+ }

        #[allow(dead_code, reason = "not every choice is written back")]
        impl $name {
            /// The texts, in the order of the declaration.
            $visibility const ALL: &'static [&'static str] = &[$($text),+];

            /// The text of this variant.
            #[must_use]
            $visibility const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl $crate::FromConfig for $name {
            const KIND: $crate::ConfigType = $crate::ConfigType::String;

            fn check() -> ::std::option::Option<$crate::Check> {
                Some($crate::check::one_of_ignoring_case(Self::ALL))
            }

            fn from_parsed(parsed: ::std::option::Option<$crate::Parsed>) -> ::std::result::Result<Self, ::std::string::String> {
                match parsed.as_ref().and_then($crate::Parsed::as_text) {
                    $(Some(text) if text.eq_ignore_ascii_case($text) => Ok(Self::$variant),)+
                    _ => Err($crate::check::one_of_ignoring_case(Self::ALL).expectation()),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests;
