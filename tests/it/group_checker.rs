//! A group of workers keeps its promises through cut networks, halts, kills, and a broker that restarts: half a minute of what
//! `make check-workers` does for ten minutes. The machine is shared with all other tests, so what takes ten seconds there may take
//! more here. In network namespaces where the system gives them; elsewhere nothing is cut.

use std::process::Command;

use harness::places;

#[test]
fn no_fault_of_networks_or_processes_loses_or_repeats_a_record_and_every_task_is_soon_back() {
    let checker = places::binary("checker-workers").unwrap();
    let output = Command::new(checker)
        .args(["--seconds", "30", "--seed", "11", "--back-within", "40"])
        .output()
        .unwrap();
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{told}");
    assert!(said.contains("each record is there once"), "{said}\n{told}");
}
