//! The same Discord under https://discord.com, so that serenity's own rate limiter, which
//! ignores proxies, can be tested.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::FakeDiscord;

pub struct Tls {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    /// Until it is served.
    listener: Mutex<Option<TlsListener>>,
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// With a certificate of its own for discord.com.
    pub async fn bind() -> Self {
        let names = vec!["discord.com".to_owned(), "gateway.discord.gg".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Tls {
            address,
            certificate,
            listener: Mutex::new(Some(TlsListener { tcp, acceptor })),
        }
    }

    pub fn serve(&self, routes: Router) {
        let listener = self.listener.lock().unwrap().take().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    }
}

impl FakeDiscord {
    /// A client for `HttpBuilder::client` to whom this is https://discord.com.
    pub fn https_client(&self) -> reqwest::Client {
        let tls = self.shared.tls.as_ref();
        let tls = tls.expect("a fake Discord that was started with start_tls");
        reqwest::Client::builder()
            .use_rustls_tls()
            .no_proxy()
            .resolve("discord.com", tls.address)
            .add_root_certificate(reqwest::Certificate::from_der(&tls.certificate).unwrap())
            .build()
            .unwrap()
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    /// A handshake that fails is the client's affair.
    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.tcp.accept().await
                && stream.set_nodelay(true).is_ok()
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
