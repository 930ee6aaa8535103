//! TLS of the port: which certificate the node shows, and whose it asks for.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::GrpcApiConfig;

/// Reads the files that a configuration names; `None` where the port is plain.
///
/// # Errors
/// Which file cannot be read, and why.
pub(super) fn read(config: &GrpcApiConfig) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    if !config.has_tls() {
        return Ok(None);
    }
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match config.tls_client_ca_file.as_str() {
        "" => builder.with_no_client_auth(),
        file => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(file).context("grpc_api.tls_client_ca_file")? {
                roots.add(authority).with_context(|| format!("grpc_api.tls_client_ca_file: {file}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().context("grpc_api.tls_client_ca_file")?)
        }
    };
    let chain = certificates(&config.tls_cert_file).context("grpc_api.tls_cert_file")?;
    let key = PrivateKeyDer::from_pem_file(Path::new(&config.tls_key_file));
    let key = key.with_context(|| format!("grpc_api.tls_key_file: {}", config.tls_key_file))?;
    let mut tls = builder.with_single_cert(chain, key).context("grpc_api.tls_cert_file and grpc_api.tls_key_file")?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Some(Arc::new(tls)))
}

fn certificates(file: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(Path::new(file)).with_context(|| file.to_owned())?;
    let found = found.collect::<Result<Vec<_>, _>>().with_context(|| file.to_owned())?;
    if found.is_empty() {
        bail!("{file} has no certificate");
    }
    Ok(found)
}
