use super::*;

fn list(names: &[&str]) -> Vec<InitialReplica> {
    names
        .iter()
        .map(|name| InitialReplica { name: (*name).to_owned(), address: format!("{name}:7000") })
        .collect()
}

fn own<'a>(name: &'a str, initial_replicas: &'a [InitialReplica]) -> Own<'a> {
    Own {
        name,
        address: "own:7000",
        public_address: "own:5000",
        store_id: "own-store",
        bootstrap: false,
        initial_replicas,
    }
}

fn hello(name: &str) -> peer::HelloResponse {
    peer::HelloResponse {
        identity: Some(peer::PeerIdentity {
            store_id: format!("store-{name}"),
            ..peer::PeerIdentity::default()
        }),
        name: name.to_owned(),
        initial_replicas: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
        ..peer::HelloResponse::default()
    }
}

fn formed(name: &str) -> peer::HelloResponse {
    let mut hello = hello(name);
    hello.formed = true;
    if let Some(identity) = &mut hello.identity {
        identity.cluster_id = "group".to_owned();
    }
    hello
}

fn answers(hellos: &[(&str, Option<peer::HelloResponse>)]) -> Vec<Answer> {
    hellos
        .iter()
        .map(|(name, hello)| Answer {
            replica: list(&[name]).remove(0),
            answer: hello.clone().ok_or_else(|| "connection refused".to_owned()),
        })
        .collect()
}

fn changed(name: &str, change: fn(&mut peer::HelloResponse)) -> Option<peer::HelloResponse> {
    let mut changed = hello(name);
    change(&mut changed);
    Some(changed)
}

fn kind(decision: &Decision) -> &'static str {
    match decision {
        Decision::Form(_) => "form",
        Decision::Join(_) => "join",
        Decision::Wait(_) => "wait",
        Decision::Refuse(_) => "refuse",
    }
}

/// Without it a replica might form a second group beside a formed one, or one of fewer than all replicas.
#[test]
fn a_group_is_formed_only_by_the_first_and_only_if_all_answer() {
    let abc = list(&["a", "b", "c"]);
    let (a, b, c) = (|| Some(hello("a")), || Some(hello("b")), || Some(hello("c")));
    let bootstrap = || changed("b", |hello| hello.bootstrap = true);
    let member = || Some(formed("b"));
    let cases = [
        ("all answer", "a", [("b", b()), ("c", c())], "form"),
        ("one is silent", "a", [("b", b()), ("c", None)], "wait"),
        ("not the first", "b", [("a", a()), ("c", c())], "wait"),
        ("the first is silent", "b", [("a", None), ("c", c())], "wait"),
        ("one belongs to a group", "a", [("b", member()), ("c", c())], "wait"),
        ("another has bootstrap set", "a", [("b", bootstrap()), ("c", c())], "wait"),
    ];
    for (case, name, others, expected) in cases {
        let decision = decide(&own(name, &abc), &answers(&others));
        assert_eq!(kind(&decision), expected, "{case}: {decision:?}");
        if let Decision::Form(infos) = decision {
            let names: Vec<_> = infos.iter().map(|info| &*info.name).collect();
            assert_eq!(names, ["a", "b", "c"], "{case}");
        }
    }
}

/// Without it replicas that were told different things would form a group that one of them is not part of.
#[test]
fn replicas_that_disagree_do_not_form_a_group() {
    let abc = list(&["a", "b", "c"]);
    let c = || Some(hello("c"));
    let other_list = || changed("b", |hello| hello.initial_replicas = vec!["b".to_owned()]);
    let same_store = || changed("b", |answer| answer.identity = hello("c").identity);
    let cases = [
        ("a name does not fit its address", [("b", c()), ("c", c())]),
        ("another list", [("b", other_list()), ("c", c())]),
        ("one store twice", [("b", same_store()), ("c", c())]),
    ];
    for (case, others) in cases {
        let decision = decide(&own("a", &abc), &answers(&others));
        assert_eq!(kind(&decision), "refuse", "{case}: {decision:?}");
    }
}

/// Without it a replica could join a group that does not know its store, and vote under another's id.
#[test]
fn only_a_group_that_names_this_store_is_joined() {
    let abc = list(&["a", "b", "c"]);
    let mut naming = formed("c");
    naming.asker_replica_id = 2;
    let named = answers(&[("a", None), ("c", Some(naming))]);
    let joined = Decision::Join(GroupIdentity { cluster_id: "group".to_owned(), replica_id: 2 });
    assert_eq!(decide(&own("b", &abc), &named), joined);

    let mut lost = formed("c");
    lost.asker_name_taken_by = 2;
    let decision = decide(&own("b", &abc), &answers(&[("a", None), ("c", Some(lost))]));
    let Decision::Refuse(reason) = decision else {
        panic!("a replica that lost its store must not go on by itself: {decision:?}");
    };
    assert!(reason.contains("navarch replica remove 2"), "{reason}");
}

/// Without it `bootstrap`, set by mistake on a replica of a running group, would split it.
#[test]
fn bootstrap_is_refused_beside_a_group_or_another_bootstrap() {
    let abc = list(&["a", "b", "c"]);
    let bootstrap = Own { bootstrap: true, ..own("c", &abc) };
    let free = answers(&[("a", Some(hello("a"))), ("b", Some(hello("b")))]);
    assert!(matches!(decide(&bootstrap, &free), Decision::Form(_)));
    let running = answers(&[("a", Some(formed("a"))), ("b", None)]);
    assert!(matches!(decide(&bootstrap, &running), Decision::Refuse(_)));
    let mut rival = hello("a");
    rival.bootstrap = true;
    let rivals = answers(&[("a", Some(rival)), ("b", Some(hello("b")))]);
    assert!(matches!(decide(&bootstrap, &rivals), Decision::Refuse(_)));
    let silent = answers(&[("a", None), ("b", Some(hello("b")))]);
    assert!(matches!(decide(&bootstrap, &silent), Decision::Wait(_)));
}

/// Without it a fresh replica without a list would sit silent, and nobody would know what it needs.
#[test]
fn a_replica_without_a_list_says_how_to_add_it() {
    let decision = decide(&own("d", &[]), &[]);
    let expected = "waiting to be added: navarch replica add d own:7000";
    assert_eq!(decision, Decision::Wait(expected.to_owned()));
}
