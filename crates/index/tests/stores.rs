//! The contract of vector stores: one suite, run against the embedded store and against a server over real gRPC.

mod stores {
    mod beside;
    mod conformance;
    mod in_a_folder;
    mod server_faults;
}
