//! The text of docs/METRICS.md.

use super::Metric;

/// Every metric, from the table.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         <!-- Made by `worker config --metrics`; a test keeps it current. -->\n\n\
         `worker run` writes its metrics to standard output, once a minute, as CloudWatch Embedded Metric Format: where\n\
         standard output goes to CloudWatch Logs, CloudWatch makes metrics of them. The namespace is `Pagemill`, or what\n\
         `PAGEMILL_METRICS_NAMESPACE` says; `PAGEMILL_METRICS=off` writes none. Logs go to standard error.\n\n\
         A metric that has a dimension is given without it too, over all its values. Counted metrics are sums over the\n\
         interval: use the statistic Sum. Measured ones keep every value: use percentiles, Average or Maximum. A metric of which\n\
         nothing was counted is not written: let alarms treat missing data as not breaching, and use `PollAge` or\n\
         `worker health` to see that workers run. No metric holds a key, a name or a text of a document.\n\n\
         | metric | unit | kind | dimension | meaning |\n|---|---|---|---|---|\n",
    );
    for definition in Metric::ALL {
        let kind = if definition.is_sum {
            "counted"
        } else {
            "measured"
        };
        let dimension = definition
            .dimension
            .map(|name| format!("`{name}`"))
            .unwrap_or_default();
        text.push_str(&format!(
            "| `{}` | {} | {kind} | {dimension} | {} |\n",
            definition.name,
            definition.unit.name(),
            definition.meaning
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn he_3_the_metrics_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/METRICS.md");
        let document = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            document == super::reference(),
            "docs/METRICS.md is out of date: run `cargo run --bin worker -- config --metrics > docs/METRICS.md`"
        );
    }
}
