use super::*;

fn read(pairs: &[(&str, &str)]) -> anyhow::Result<Environment> {
    let variables = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::from_variables(&variables.collect())
}

#[test]
fn an_unknown_variable_of_ours_is_refused_by_name() {
    let error = read(&[("PAGEMILL_CHILDRN", "3")]).unwrap_err().to_string();
    assert!(error.contains("PAGEMILL_CHILDRN"), "{error}");
}

#[test]
fn contradictions_are_refused() {
    for pairs in [
        &[
            ("QDRANT_URL", "http://q:6334"),
            ("PAGEMILL_VECTOR_DIR", "v"),
        ][..],
        &[("LLM_API_KEY", "k"), ("LLM_API_KEY_SECRET_ARN", "arn:x")][..],
        &[("QDRANT_API_KEY", "k")][..],
        &[
            ("QDRANT_PAGES_COLLECTION", "x"),
            ("QDRANT_SEMANTIC_COLLECTION", "x"),
        ][..],
        &[("PAGEMILL_CHILDREN", "none")][..],
        &[("PAGEMILL_LEASE_SECONDS", "5")][..],
    ] {
        assert!(read(pairs).is_err(), "{pairs:?}");
    }
}

#[test]
fn le_2_every_lease_that_is_accepted_outlives_the_poll_before_it() {
    let mut accepted = 0;
    for seconds in 1..=1025 {
        let value = seconds.to_string();
        let Ok(environment) = read(&[("PAGEMILL_LEASE_SECONDS", &value)]) else {
            continue;
        };
        accepted += 1;
        let lease = pagemill_queue::LeaseSettings::renewed_to(environment.lease);
        lease.validate().expect("what is accepted works");
        let left = lease.first_hold - lease.margin - lease.poll_wait();
        assert!(left > lease.call_timeout, "{seconds}: {left:?} is left");
    }
    assert_eq!(accepted, 1024 - 5);
    let refusal = read(&[("PAGEMILL_LEASE_SECONDS", "5")]).unwrap_err();
    assert!(refusal.to_string().contains("at least 6"), "{refusal}");
}

#[test]
fn secrets_do_not_appear_when_shown() {
    let environment = read(&[
        ("QDRANT_URL", "http://q:6334"),
        ("QDRANT_API_KEY", "s3cr3t"),
        ("LLM_BASE_URL", "http://l"),
        ("LLM_API_KEY", "hush"),
    ]);
    let shown = format!("{:?}", environment.unwrap());
    assert!(
        !shown.contains("s3cr3t") && !shown.contains("hush"),
        "{shown}"
    );
    assert_eq!(
        without_credentials("http://user:pw@host:1/x"),
        "http://********@host:1/x"
    );
}
