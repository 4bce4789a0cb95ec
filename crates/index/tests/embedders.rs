//! The contract of embedders.

mod embedders {
    mod endpoint;
    mod local;
}
