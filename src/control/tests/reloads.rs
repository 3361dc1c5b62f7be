//! What an edit of flags.yaml does to rollouts that are under way, and what it cannot do.

use std::sync::Arc;

use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::harness::*;
use crate::control::engine::bootstrap::Bootstrap;
use crate::control::engine::dispatch::Engine;
use crate::control::now::Now;
use crate::decide::event::Action;
use crate::decide::file_error::FileError;
use crate::decide::policy::{Canary, Intent, ListenTls, Policy, Provider, ServerCertificate};
use crate::decide::rollout::state::{OverallPhase, Phase, RolloutCommand};
use crate::decide::units::{Millis, Percent, ProviderId, RolloutId, UnixMillis};
use crate::describe::event::reason;
use crate::state::inbox::{Command, FlagsRead};
use crate::state::status::RolloutStatus;
use crate::store::locks::LocksFound;

fn at(millis: u64) -> Now {
    Now { mono: Millis(millis), unix: UnixMillis(1_000_000 + millis) }
}

fn engine(policy: Policy) -> Engine {
    Engine::new(bootstrap(policy, Vec::new()), at(0))
}

fn chat(engine: &Engine) -> RolloutStatus {
    engine.status.load().rollouts[0].clone()
}

fn ask(engine: &mut Engine, verb: RolloutCommand) {
    let (actor, reason) = ("alice".to_owned(), String::new());
    engine.command(&Command { rollout: Some("chat".into()), verb, actor, reason }, at(10)).unwrap();
    written(engine, at(10));
}

// The disk takes what is proposed.
fn written(engine: &mut Engine, now: Now) {
    let proposals: Vec<_> = std::mem::take(&mut engine.outbox.proposals).into_iter().collect();
    for (identity, proposal) in &proposals {
        engine.outbox.states.insert(identity.clone(), proposal.state.clone());
    }
    engine.proposals_written(&proposals, now);
}

fn pinned(share: u16) -> Canary {
    Canary { percent: Intent::Pinned(percent(share)), ..canary() }
}

fn with_provider(mut policy: Policy, index: usize, edit: impl FnOnce(&mut Provider)) -> Policy {
    edit(Arc::make_mut(&mut policy.providers[index]));
    policy
}

#[test]
fn an_edit_of_percent_lifts_nothing() {
    let mut engine = engine(one(pinned(30)));
    ask(&mut engine, RolloutCommand::Rollback { to: Percent::ZERO });
    for canary in [pinned(50), canary(), Canary { attempt: 2, ..pinned(50) }] {
        engine.flags_read(read(one(canary)), at(20));
        assert_eq!((chat(&engine).phase, chat(&engine).percent), (OverallPhase::Locked, Percent::ZERO));
    }
    assert_eq!(engine.status.load().flags.generation, 4);
}

#[test]
fn percent_0_is_everybody_back_at_once_and_closes_the_canary() {
    let mut engine = engine(one(pinned(30)));
    assert!(!engine.shared.load().in_force(RolloutId(0)).buckets_only);
    engine.flags_read(read(one(pinned(0))), at(20));
    let snapshot = engine.shared.load();
    assert_eq!(
        (snapshot.in_force(RolloutId(0)).percent, snapshot.in_force(RolloutId(0)).buckets_only),
        (Percent::ZERO, true)
    );
}

#[test]
fn a_broken_file_changes_nothing_and_is_reported() {
    let mut engine = engine(one(pinned(30)));
    let before = engine.shared.load();
    let (path, problem, remedy) = ("rollouts[0].percent".to_owned(), "what".to_owned(), "how".to_owned());
    let first = FileError { line: Some(3), column: Some(5), path, problem, remedy };
    let errors = vec![first, FileError::whole("another".to_owned())];
    engine.flags_read(FlagsRead { result: Err(errors.clone()), ..read(one(pinned(1))) }, at(20));
    let status = engine.status.load();
    assert_eq!((&status.flags.errors, status.flags.failures, status.flags.generation), (&errors, 1, 1));
    assert_eq!(engine.shared.load().revision, before.revision);
    let refused = engine.outbox.events.last().unwrap();
    assert_eq!(
        reason(refused),
        "the file was refused for 2 errors; the first: line 3, column 5: rollouts[0].percent: what\n  fix: how"
    );
    engine.flags_read(read(one(pinned(30))), at(30));
    assert!(engine.status.load().flags.errors.is_empty());
}

#[test]
fn the_new_stable_may_not_be_a_canary_that_was_taken_back() {
    let mut engine = engine(one(pinned(30)));
    let mut swapped = one(pinned(30));
    let chat_rollout = Arc::make_mut(&mut swapped.rollouts[0]);
    (chat_rollout.stable, chat_rollout.canary) = (ProviderId(1), None);
    ask(&mut engine, RolloutCommand::Rollback { to: Percent::ZERO });
    engine.flags_read(read(swapped.clone()), at(20));
    assert_eq!(
        engine.status.load().flags.errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["rollouts `chat`: its new stable https://b.test/v1 is the canary of `chat`, which was rolled back; `serin \
          resume chat` first if that provider has recovered"]
    );
    assert_eq!((engine.status.load().flags.generation, chat(&engine).canary.is_some()), (1, true));
    ask(&mut engine, RolloutCommand::Resume { at: None });
    engine.flags_read(read(swapped), at(30));
    assert_eq!((engine.status.load().flags.generation, chat(&engine).canary.is_some()), (2, false));
}

#[test]
fn at_the_start_the_same_is_a_warning() {
    let mut first = engine(one(pinned(30)));
    ask(&mut first, RolloutCommand::Rollback { to: Percent::ZERO });
    let mut swapped = one(pinned(30));
    let chat_rollout = Arc::make_mut(&mut swapped.rollouts[0]);
    (chat_rollout.stable, chat_rollout.canary) = (ProviderId(1), None);
    let states = std::mem::take(&mut first.outbox.states).into_iter().collect();
    let second = Engine::new(bootstrap(swapped, states), at(500));
    let reported = "the stable of `chat`, https://b.test/v1, is the canary of `chat`, which was rolled back";
    assert_eq!(second.status.load().flags.warnings, [reported]);
}

#[test]
fn an_edit_that_needs_a_restart_has_no_effect_and_is_a_warning() {
    let mut engine = engine(one(pinned(30)));
    let mut moved = one(pinned(40));
    moved.fixed.listen = "127.0.0.1:9999".parse().unwrap();
    moved.fixed.workers = Some(8);
    engine.flags_read(read(moved), at(20));
    assert_eq!(engine.shared.load().policy.fixed.listen.port(), 7171);
    assert_eq!(chat(&engine).percent, percent(40));
    assert_eq!(
        engine.status.load().flags.warnings,
        [
            "`listen` was changed from 127.0.0.1:7171 to 127.0.0.1:9999, which needs a restart: 127.0.0.1:7171 stays \
             in force",
            "`workers` was changed from the default to 8, which needs a restart: the default stays in force",
        ]
    );
}

#[test]
fn a_rollout_is_the_same_while_its_urls_and_salt_are() {
    let mut engine = engine(one(canary()));
    ask(&mut engine, RolloutCommand::Promote { to: Some(percent(25)) });
    let evidence = engine.shared.load().in_force(RolloutId(0)).evidence.epoch;
    let renamed = with_provider(one(canary()), 1, |provider| provider.name = "sheep".to_owned());
    engine.flags_read(read(renamed), at(20));
    assert_eq!((chat(&engine).percent, chat(&engine).canary.as_deref()), (percent(25), Some("sheep")));
    assert_eq!(engine.shared.load().in_force(RolloutId(0)).evidence.epoch, evidence);
    // An edit of the guard keeps percent and phase and begins fresh evidence.
    let mut stricter = canary();
    stricter.guard.min_requests = 50;
    engine.flags_read(read(one(stricter)), at(30));
    assert_eq!((chat(&engine).percent, chat(&engine).phase), (percent(25), OverallPhase::Ramping));
    assert_eq!(engine.shared.load().in_force(RolloutId(0)).evidence.epoch, evidence + 1);
    // Another URL is another rollout, and the old one is remembered.
    let elsewhere = with_provider(one(canary()), 1, |provider| provider.base_url.host = "c.test".to_owned());
    engine.flags_read(read(elsewhere), at(40));
    assert_eq!((chat(&engine).percent, chat(&engine).phase), (Percent::ZERO, OverallPhase::Probing));
    engine.flags_read(read(one(canary())), at(50));
    assert_eq!((chat(&engine).percent, chat(&engine).phase), (percent(25), OverallPhase::Ramping));
}

#[test]
fn another_pair_of_providers_under_a_locked_name_stays_locked() {
    let mut engine = engine(one(pinned(30)));
    ask(&mut engine, RolloutCommand::Rollback { to: Percent::ZERO });
    let elsewhere = with_provider(one(pinned(30)), 1, |provider| provider.base_url.host = "c.test".to_owned());
    engine.flags_read(read(elsewhere), at(20));
    assert_eq!((chat(&engine).phase, chat(&engine).percent), (OverallPhase::Locked, Percent::ZERO));
}

#[test]
fn an_unusable_canary_is_blocked_with_its_reason_and_goes_on_when_mended() {
    let mut engine = engine(one(pinned(30)));
    let unset = |provider: &mut Provider| provider.unusable = Some("HOLYSHEEP_API_KEY is not set".to_owned());
    engine.flags_read(read(with_provider(one(pinned(30)), 1, unset)), at(20));
    assert_eq!((chat(&engine).phase, chat(&engine).percent), (OverallPhase::Blocked, Percent::ZERO));
    assert_eq!(
        chat(&engine).reason,
        "blocked at 0%, although the file has percent: 30%: holysheep cannot be used: HOLYSHEEP_API_KEY is not set"
    );
    engine.flags_read(read(one(pinned(30))), at(30));
    assert_eq!((chat(&engine).phase, chat(&engine).percent), (OverallPhase::Pinned, percent(30)));
}

#[test]
fn a_lock_in_a_directory_that_does_not_last_says_so() {
    use crate::decide::ephemeral::Ephemeral;
    use crate::state::inbox::Command;
    let rollback = Command {
        rollout: None,
        verb: RolloutCommand::Rollback { to: Percent::ZERO },
        actor: "ops".to_owned(),
        reason: String::new(),
    };
    for kind in [None, Some(Ephemeral::EmptyDir)] {
        let mut engine = Engine::new(Bootstrap { ephemeral: kind, ..bootstrap(one(canary()), Vec::new()) }, at(0));
        assert_eq!(engine.status.load().store.ephemeral, kind);
        let notes = engine.command(&rollback, at(1)).unwrap().notes;
        assert_eq!(notes.iter().any(|note| note.contains("ends with the pod")), kind.is_some(), "{notes:?}");
    }
}

#[test]
fn where_state_cannot_be_written_auto_is_blocked_and_a_pin_is_not() {
    let start = |canary| {
        Engine::new(Bootstrap { store_error: Some("read-only".into()), ..bootstrap(one(canary), Vec::new()) }, at(0))
    };
    let blocked = chat(&start(canary()));
    assert_eq!((blocked.phase, blocked.percent), (OverallPhase::Blocked, Percent::ZERO));
    assert_eq!(
        blocked.reason,
        "blocked at 0%, although the file has percent: auto: state cannot be written (read-only), so the ramp would \
         be lost at a restart: fix this, set ramp.from, or pin percent"
    );
    assert_eq!(chat(&start(pinned(30))).percent, percent(30));
    let mut by_clock = canary();
    by_clock.ramp.from = Some(UnixMillis(1_000_000));
    let mut engine = start(by_clock);
    let probe = engine.due_probes(at(1500)).remove(0);
    engine.probe_finished(&probe, Ok(()), at(1500));
    engine.tick(at(1500));
    assert_eq!(chat(&engine).percent, percent(25));
}

#[test]
fn a_disk_that_fills_up_later_holds_promotions_and_moves_no_user() {
    let mut engine = engine(one(canary()));
    ask(&mut engine, RolloutCommand::Promote { to: Some(percent(25)) });
    engine.batch_finished(&Err("disk full".to_owned()), at(20));
    engine.tick(at(60_000));
    assert_eq!((chat(&engine).phase, chat(&engine).percent), (OverallPhase::Ramping, percent(25)));
    assert!(chat(&engine).waiting_for.ends_with("state that can be written (disk full)"));
}

#[test]
fn state_that_was_lost_never_climbs_by_itself() {
    let mut engine = Engine::new(Bootstrap { state_lost: true, ..bootstrap(one(canary()), Vec::new()) }, at(0));
    let probe = engine.due_probes(at(0)).remove(0);
    engine.probe_finished(&probe, Ok(()), at(0));
    engine.tick(at(100));
    assert_eq!((chat(&engine).phase, chat(&engine).percent), (OverallPhase::Paused, Percent::ZERO));
    assert!(chat(&engine).reason.contains("serin paused the ramp (the earlier state could not be read"));
    // What is new later is new.
    let added = policy(vec![rollout("chat", Some(canary())), rollout("code", Some(canary()))]);
    engine.flags_read(read(added), at(200));
    assert_eq!(engine.status.load().rollouts[1].phase, OverallPhase::Probing);
}

#[test]
fn a_lock_of_an_unknown_rollout_is_a_warning_and_applies_once_it_is_known() {
    let mut engine = engine(one(pinned(30)));
    let (to, at_once) = (Percent::ZERO, UnixMillis(1));
    let lock = crate::decide::rollout::state::Lock { to, at: at_once, actor: "bob".into(), reason: String::new() };
    engine.locks_read(LocksFound { every: None, rollouts: vec![("code".to_owned(), lock)] }, at(5));
    let reported = "a lock exists for `code`, which is not a rollout of flags.yaml";
    assert_eq!(engine.status.load().flags.warnings, [reported]);
    let added = policy(vec![rollout("chat", Some(pinned(30))), rollout("code", Some(pinned(30)))]);
    engine.flags_read(read(added), at(20));
    assert_eq!(engine.status.load().rollouts[1].phase, OverallPhase::Locked);
}

#[test]
fn a_restart_in_mid_ramp_goes_on_at_its_percent() {
    let mut first = engine(one(canary()));
    ask(&mut first, RolloutCommand::Promote { to: Some(percent(25)) });
    let states = std::mem::take(&mut first.outbox.states).into_iter().collect();
    let second = Engine::new(bootstrap(one(canary()), states), at(500));
    assert_eq!((chat(&second).percent, chat(&second).phase), (percent(25), OverallPhase::Ramping));
    assert_eq!(second.shared.load().in_force(RolloutId(0)).percent, percent(25));
}

#[test]
fn the_first_line_of_the_history_says_what_was_found() {
    let mut engine = engine(policy(vec![rollout("chat", Some(pinned(30))), rollout("code", Some(canary()))]));
    let first = std::mem::take(&mut engine.outbox.events).remove(0);
    let version = env!("CARGO_PKG_VERSION");
    let reported =
        format!("version {version} started, with state in state: chat at 30% (pinned), code at 0% (probing)");
    assert_eq!((&first.action, reason(&first)), (&Action::Start, reported));
}

#[test]
fn a_late_answer_of_an_older_epoch_judges_nothing() {
    use crate::decide::outcome::Outcome;
    use crate::decide::units::Arm;
    use crate::state::counters::Core;
    let mut engine = engine(one(canary()));
    ask(&mut engine, RolloutCommand::Promote { to: Some(percent(10)) });
    let old = engine.shared.load().in_force(RolloutId(0)).evidence.clone();
    (0..50).for_each(|_| old.begin(Core(0), (Arm::Canary, None)));
    ask(&mut engine, RolloutCommand::Promote { to: Some(percent(25)) });
    (0..50).for_each(|_| old.end(Core(0), (Arm::Canary, None), Outcome::Timeout));
    engine.tick(at(100));
    assert_eq!((chat(&engine).answered, chat(&engine).window[1].failures), (0, 0));
    assert_eq!(chat(&engine).percent, percent(25));
    assert!(!matches!(engine.entries[0].rollout.as_ref().unwrap().state().phase, Phase::RolledBack { .. }));
}

/// A certificate that is valid between these moments, and a policy with the port that shows it.
fn showing(not_before: u64, not_after: u64) -> Policy {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(Vec::new()));
    let (not_before, not_after) = (UnixMillis(not_before), UnixMillis(not_after));
    let certificate = Some(Arc::new(ServerCertificate { chain: Vec::new(), key, not_before, not_after }));
    let tls = ListenTls { cert_file: "/c".into(), key_file: "/k".into(), certificate, earlier: None, problem: None };
    let mut policy = Policy { listen_tls: Some(tls), ..one(pinned(30)) };
    policy.fixed.listen_tls = Some("127.0.0.1:8443".parse().unwrap());
    policy
}

fn tls(engine: &Engine) -> (u64, Option<String>) {
    let status = engine.status.load().tls.clone().unwrap();
    (status.expires_at.0, status.problem)
}

fn notices(engine: &Engine) -> Vec<String> {
    let events = engine.outbox.events.iter().filter(|event| event.action == Action::Notice);
    events.map(reason).collect()
}

#[test]
fn a_certificate_that_has_expired_does_not_replace_one_that_is_valid() {
    const YEAR: u64 = 365 * 86_400_000;
    let mut engine = engine(showing(0, YEAR));
    assert_eq!((tls(&engine), notices(&engine).len()), ((YEAR, None), 0));
    engine.flags_read(read(showing(0, 500)), at(20));
    let said = "listen_tls: the certificate in /c has expired: the one before it is shown, which is valid until \
                1971-01-01 and lost at a restart; write a certificate that is valid now";
    assert_eq!(tls(&engine), (YEAR, Some(said.to_owned())));
    assert_eq!(engine.status.load().flags.warnings, [said]);
    // It is told once, and an edit of the file does not wait for it.
    (30..40).for_each(|millis| engine.tick(at(millis)));
    engine.flags_read(read(Policy { drain: Millis(1), ..showing(0, 500) }), at(50));
    engine.tick(at(60));
    assert_eq!((tls(&engine).0, notices(&engine)), (YEAR, vec![said.to_owned()]));
    engine.flags_read(read(showing(0, 2 * YEAR)), at(70));
    assert_eq!((tls(&engine), engine.status.load().flags.warnings.len()), ((2 * YEAR, None), 0));
}

#[test]
fn the_end_of_a_certificate_is_a_warning_from_fourteen_days_before() {
    const DAY: u64 = 86_400_000;
    let mut engine = engine(showing(0, 1_000_000 + 20 * DAY));
    engine.tick(at(DAY));
    assert!(engine.status.load().flags.warnings.is_empty());
    engine.tick(at(6 * DAY));
    let said = engine.status.load().flags.warnings.clone();
    assert!(said[0].contains("expires on 1970-01-21, in 14 days;"), "{said:?}");
    (6 * DAY + 1..=12 * DAY).step_by(10_000_000).for_each(|millis| engine.tick(at(millis)));
    assert_eq!(notices(&engine).len(), 1);
    engine.tick(at(21 * DAY));
    assert!(notices(&engine)[1].contains("expired on 1970-01-21, and clients refuse it;"), "{:?}", notices(&engine));
}

#[test]
fn a_port_that_is_bound_keeps_its_certificate_although_the_file_has_it_no_more() {
    let mut engine = engine(showing(0, u64::MAX));
    engine.flags_read(read(one(pinned(30))), at(20));
    assert!(engine.shared.load().policy.listen_tls.is_some());
    let said = "`listen_tls.listen` was changed from 127.0.0.1:8443 to the default, which needs a restart: \
                127.0.0.1:8443 stays in force";
    assert_eq!(engine.status.load().flags.warnings, [said]);
    // One that was never bound has none to show.
    let mut engine = self::engine(one(pinned(30)));
    engine.flags_read(read(showing(0, 1)), at(20));
    assert_eq!(engine.status.load().tls, None);
}
