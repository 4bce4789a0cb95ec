//! HTTP clients: every one of the project comes from here, so that all of them trust and encrypt in the same way.
//!
//! TLS is rustls on *ring*, which the client of Qdrant needs in any case. With the defaults of AWS's SDKs and of reqwest a
//! second library of cryptography (aws-lc) would be compiled and linked beside it, and rustls would not know which of the two
//! to take. Certificates are those of the operating system.
//!
//! It knows nothing of what is asked of whom: timeouts, redirects and keys are the caller's.
//!
//! ```
//! use std::time::Duration;
//!
//! let client = pagemill_http::client().timeout(Duration::from_secs(10)).build()?;
//! # let _: reqwest::Client = client;
//! # Ok::<(), reqwest::Error>(())
//! ```

/// The beginning of a client for HTTP APIs. Give it a timeout: it has none.
#[expect(clippy::disallowed_methods, reason = "the one place that makes them")]
pub fn client() -> reqwest::ClientBuilder {
    #[cfg(feature = "https")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Lost only against another thread that installs one, and then there is one.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    reqwest::Client::builder()
}

/// A client for AWS's SDKs, with connections of its own. To be set as `http_client` of each configuration: without it, every
/// call of the SDK fails for want of one.
#[cfg(feature = "aws")]
pub fn for_aws() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    use aws_smithy_http_client::tls::Provider;
    use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

#[cfg(all(test, feature = "https"))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// What a client says first to an `https` address on loopback.
    async fn first_bytes_of_a_call() -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a call");
            let mut first = vec![0; 3];
            stream.read_exact(&mut first).expect("three bytes");
            // No TLS: the client gives up.
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
            first
        });
        let client = super::client().no_proxy().build().expect("a client");
        let answer = client.get(format!("https://{address}/")).send().await;
        assert!(answer.is_err(), "that was no TLS");
        server.join().expect("the server ends")
    }

    #[tokio::test]
    async fn an_address_with_https_is_spoken_to_in_tls() {
        // A handshake record (22) of version 3.
        assert_eq!(first_bytes_of_a_call().await[..2], [22, 3]);
    }
}
