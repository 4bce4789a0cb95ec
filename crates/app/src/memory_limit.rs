//! The memory that the container may take, and how many renderers go into it.

/// What the worker itself takes, beside its renderers: runtime, models, a batch of each document.
pub(crate) const WORKER_MIB: u64 = 512;
/// What an ordinary page takes in a renderer.
pub(crate) const RENDERER_MIB: u64 = 256;

/// Where the kernel says it: control groups of version 2, and of version 1 (cgroups(7)).
const FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// The limit of this container in MiB; nothing when there is none.
pub(crate) fn of_container_mib() -> Option<u64> {
    let read = FILES
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    read.and_then(|text| parse_mib(&text))
}

/// The number in such a file. Version 2 writes `max` where there is no limit, version 1 a number near 2⁶³.
fn parse_mib(text: &str) -> Option<u64> {
    let bytes: u64 = text.trim().parse().ok()?;
    (bytes < 1 << 60).then_some(bytes >> 20)
}

/// How many renderers, and documents, are at work at the same time when nobody says it: one for each processor, or as
/// many as there is memory for, and one at least.
pub(crate) fn at_once(processors: usize, limit_mib: Option<u64>) -> usize {
    let Some(limit_mib) = limit_mib else {
        return processors;
    };
    let fitting = limit_mib.saturating_sub(WORKER_MIB) / RENDERER_MIB;
    let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
    processors.min(fitting).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_and_the_lack_of_one_too() {
        assert_eq!(parse_mib("2147483648\n"), Some(2_048));
        assert_eq!(parse_mib("max\n"), None);
        assert_eq!(parse_mib("9223372036854771712\n"), None);
    }

    #[test]
    fn no_more_is_begun_than_there_is_memory_for() {
        assert_eq!(at_once(8, None), 8);
        assert_eq!(at_once(8, Some(16 << 10)), 8);
        assert_eq!(at_once(8, Some(1_024)), 2);
        assert_eq!(at_once(8, Some(128)), 1);
    }
}
