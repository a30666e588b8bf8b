//! Bytes as Kafka Connect writes them, by its schemas, and bytes that nobody should have written.

use super::*;

fn work(connectors: &[&str], tasks: &[(&str, u32)]) -> Assignment {
    Assignment {
        connectors: connectors.iter().map(|name| (*name).to_owned()).collect(),
        tasks: tasks.iter().map(|(name, task)| TaskId::new(*name, *task)).collect(),
    }
}

fn share() -> Share {
    Share {
        error: 0,
        leader: "m1".to_owned(),
        leader_url: "http://a:1/".to_owned(),
        config_offset: 7,
        assigned: work(&["c"], &[("c", 0), ("d", 2)]),
        revoked: Assignment::default(),
        delay_ms: 0,
        handed: Assignment::default(),
    }
}

/// Header, error, leader, leader's URL, offset, then two connectors: `c` itself with its task 0, and `d`'s task 2.
const ASSIGNMENT: &str = concat!(
    "0000",
    "0002",
    "6d31",
    "000b",
    "687474703a2f2f613a312f",
    "0000000000000007",
    "00000002",
    "0001",
    "63",
    "00000002",
    "ffffffff",
    "00000000",
    "0001",
    "64",
    "00000001",
    "00000002",
);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn shares_are_connects_bytes() {
    let eager = encode_share(Protocol::Default, &share()).unwrap();
    assert_eq!(hex(&eager), format!("0000{ASSIGNMENT}"));
    assert_eq!(decode_share(eager).unwrap(), share());
    for (protocol, version) in [(Protocol::Compatible, "0001"), (Protocol::Sessioned, "0002")] {
        let share = Share { revoked: work(&["e"], &[]), delay_ms: 300_000, ..share() };
        let bytes = encode_share(protocol, &share).unwrap();
        let revoked = concat!("00000001", "0001", "65", "00000001", "ffffffff");
        assert_eq!(hex(&bytes), format!("{version}{ASSIGNMENT}{revoked}000493e0"));
        assert_eq!(decode_share(bytes).unwrap(), share);
    }
}

#[test]
fn claims_are_connects_bytes() {
    let url = concat!("000b", "687474703a2f2f613a312f", "0000000000000009");
    let idle =
        Claim { url: "http://a:1/".to_owned(), config_offset: 9, current: Share::default(), fences: false };
    for (protocol, expected) in [
        (Protocol::Default, format!("0000{url}")),
        (Protocol::Compatible, format!("0001{url}ffffffff")),
        (Protocol::Sessioned, format!("0002{url}ffffffff")),
    ] {
        let bytes = encode_claim(protocol, &idle).unwrap();
        assert_eq!(hex(&bytes), expected);
        assert_eq!(decode_claim(bytes).unwrap(), idle);
    }
    let busy = Claim { current: share(), ..idle };
    let bytes = encode_claim(Protocol::Sessioned, &busy).unwrap();
    let current = format!("0002{ASSIGNMENT}0000000000000000");
    assert_eq!(hex(&bytes), format!("0002{url}{:08x}{current}", current.len() / 2));
    assert_eq!(decode_claim(bytes).unwrap(), busy);
}

/// What Connect reads stays as it is; ours comes behind it.
#[test]
fn our_own_words_stand_behind_connects() {
    for current in [Share::default(), share()] {
        let claim = Claim { url: "http://a:1/".to_owned(), config_offset: 9, current, fences: false };
        let (plain, ours) = (claim.clone(), Claim { fences: true, ..claim });
        let (plain, bytes) = (
            encode_claim(Protocol::Sessioned, &plain).unwrap(),
            encode_claim(Protocol::Sessioned, &ours).unwrap(),
        );
        assert_eq!(hex(&bytes), format!("{}{}", hex(&plain), hex(OURS)));
        assert_eq!(decode_claim(bytes).unwrap(), ours);
    }
    let handing = Share { revoked: work(&[], &[("c", 1)]), handed: work(&[], &[("c", 1)]), ..share() };
    let bytes = encode_share(Protocol::Sessioned, &handing).unwrap();
    let plain =
        encode_share(Protocol::Sessioned, &Share { handed: Assignment::default(), ..handing.clone() })
            .unwrap();
    assert!(bytes.starts_with(&plain));
    assert_eq!(decode_share(bytes.clone()).unwrap(), handing);
    decode_share(bytes.slice(..bytes.len() - 1)).unwrap_err();
    let strange = [&plain[..], b"someone else's"].concat();
    assert_eq!(decode_share(strange.into()).unwrap().handed, Assignment::default());
}

/// Connect writes null where it has nothing to say of.
#[test]
fn absent_arrays_are_empty() {
    let mut bytes = encode_share(Protocol::Sessioned, &Share::default()).unwrap().to_vec();
    let arrays = 2 + 2 + 2 + 2 + 8;
    bytes[arrays..arrays + 8].fill(0xff);
    assert_eq!(decode_share(bytes.into()).unwrap(), Share::default());
}

#[test]
fn bytes_that_end_early_or_lie_are_refused() {
    let share = encode_share(Protocol::Sessioned, &share()).unwrap();
    for end in 0..share.len() {
        decode_share(share.slice(..end)).unwrap_err();
    }
    let mut lying = share.to_vec();
    let count = 2 + 2 + 4 + 13 + 8;
    lying[count..count + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    decode_share(lying.into()).unwrap_err();
    let claim =
        encode_claim(Protocol::Sessioned, &Claim { current: self::share(), ..Claim::default() }).unwrap();
    for end in 0..claim.len() {
        decode_claim(claim.slice(..end)).unwrap_err();
    }
    let long = Share { leader: "x".repeat(40_000), ..Share::default() };
    encode_share(Protocol::Default, &long).unwrap_err();
}

#[test]
fn a_worker_offers_what_it_may_and_less() {
    let names = |best: Protocol| best.offers().map(Protocol::name).collect::<Vec<_>>();
    assert_eq!(names(Protocol::Sessioned), ["sessioned", "compatible", "default"]);
    assert_eq!(names(Protocol::Default), ["default"]);
    assert_eq!(Protocol::of_name("compatible"), Some(Protocol::Compatible));
}
