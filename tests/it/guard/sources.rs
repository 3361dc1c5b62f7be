//! Several sources, one of which is an attacker: it names users as it likes and moves nobody else's.
//!
//! Three honest ones send fifty requests a second together, each from an address of its own; a fourth sends half as
//! many.

use std::net::IpAddr;
use std::time::Duration;

use serin::clock;

use super::at_once;
use super::harness::Stage;
use super::provider::Manner;
use super::traffic::{Seen, Traffic, Users};

/// Each honest source's, but for the first, which sends what is left of fifty.
const EACH: u32 = 16;
const FIRST: u32 = 18;
const ATTACK: u32 = 25;

#[test]
fn one_of_several_sources_moves_nobody() {
    at_once(&[
        ("forged ids that the canary fails", healthy_canary),
        ("forged ids that stable fails, and a dead canary", dead_canary),
    ]);
}

fn from(last: u8) -> IpAddr {
    [127, 0, 1, last].into()
}

fn honest(case: &'static str) -> (Stage, [Traffic; 2]) {
    let stage = Stage::start_at(case, "", FIRST, 20);
    let others = [1, 2].map(|last| Traffic::start_from(from(last), stage.sidecar.listen, EACH, Users::Many(300)));
    others.iter().for_each(|traffic| traffic.wait_for(100));
    (stage, others)
}

/// Names that an attacker makes up, all of which are on this arm. Found out by asking, while nobody fails them.
fn forged(stage: &Stage, arm: &str) -> Users {
    let names = (0..).map(|number| format!("forged-{number}")).filter(|name| stage.sidecar.arm(name) == arm);
    Users::These(names.take(60).collect())
}

fn attack(stage: &Stage, users: Users) -> Traffic {
    Traffic::start_from(from(9), stage.sidecar.listen, ATTACK, users)
}

fn ill() -> Manner {
    Manner { ill: Some("forged-".to_owned()), ..Manner::WELL }
}

fn well(traffic: &[Traffic]) {
    for Seen { wrong, .. } in traffic.iter().map(Traffic::seen) {
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

fn healthy_canary(case: &'static str) {
    let (mut stage, others) = honest(case);
    let users = forged(&stage, "canary");
    stage.canary.set(&ill());
    let attacker = attack(&stage, users);
    stage.nobody_is_moved(Duration::from_secs(30));
    let asked = attacker.seen();
    drop(attacker);
    // Stable answers what the canary fails.
    assert!(asked.answered > 300, "it asked: {}", asked.answered);
    stage.say(&format!("nobody was moved by {} requests with made-up users", asked.answered));
    stage.nobody_noticed();
    well(&others);
}

fn dead_canary(case: &'static str) {
    let (mut stage, others) = honest(case);
    let users = forged(&stage, "stable");
    stage.stable.set(&ill());
    let attacker = attack(&stage, users);
    attacker.wait_for(100);
    let killed = clock::instant();
    stage.canary.kill();
    stage.guard_does("rollback", killed, Duration::from_secs(10));
    drop(attacker);
    stage.nobody_noticed();
    well(&others);
}
