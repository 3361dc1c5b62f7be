//! Through the egress proxy, past it, and what is said when it refuses.

use super::super::egress::Egress;
use super::tls::Authority;
use super::*;

/// A proxy that takes one CONNECT, says this, and when that is a 200 carries bytes to `target`.
async fn proxy(says: &'static str, target: SocketAddr) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let (listener, address) = listener().await;
    let asked = tokio::task::spawn_local(async move {
        let mut peer = Peer::accept(&listener).await;
        let head = peer.head().await;
        peer.say(says).await;
        if says.starts_with("HTTP/1.1 200") {
            let mut onward = TcpStream::connect(target).await.unwrap();
            tokio::task::spawn_local(async move {
                let _ = tokio::io::copy_bidirectional(&mut peer.0, &mut onward).await;
            });
        }
        head
    });
    (address, asked)
}

fn far(https: bool) -> Provider {
    let mut provider = provider("127.0.0.1:8443".parse().unwrap());
    provider.base_url.host = "api.example".into();
    provider.base_url.https = https;
    provider
}

async fn through(provider: Provider, egress: &str) -> Result<String, String> {
    let sent = try_once(&upstreams(), &Arc::new(provider), Some(egress), post(whole("x")), || true).await;
    match sent {
        Ok(response) => Ok(text(response).await),
        Err(AttemptError::Failed(failed)) => Err(failed.fault.to_string()),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn tls_and_plain_providers_are_tunnelled_with_credentials() {
    for https in [true, false] {
        on_a_core(async {
            let authority = Authority::new();
            let acceptor = authority.acceptor("api.example", &[]);
            let (listener, target) = listener().await;
            tokio::task::spawn_local(async move {
                let (stream, _) = listener.accept().await.unwrap();
                if https {
                    let mut stream = acceptor.accept(stream).await.unwrap();
                    stream.read_u8().await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nfar").await.unwrap();
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                } else {
                    let mut peer = Peer(stream);
                    assert!(peer.request().await.0.starts_with("POST /v1/chat/completions?a=b "));
                    peer.answer("far").await;
                    peer.closed().await;
                }
            });
            let (address, asked) = proxy("HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n", target).await;
            let mut provider = far(https);
            provider.tls.ca_file = Some(authority.ca_file());
            let got = through(provider, &format!("http://us%40er:p%3Aw@{address}/")).await;
            assert_eq!(got.as_deref(), Ok("far"));
            assert_eq!(
                asked.await.unwrap(),
                "CONNECT api.example:8443 HTTP/1.1\r\nHost: api.example:8443\r\n\
                 Proxy-Authorization: Basic dXNAZXI6cDp3\r\n\r\n"
            );
        });
    }
}

#[test]
fn what_the_provider_says_right_behind_the_proxys_answer_is_not_lost() {
    on_a_core(async {
        let (listener, address) = listener().await;
        tokio::task::spawn_local(async move {
            let mut peer = Peer::accept(&listener).await;
            peer.head().await;
            // In one write with the tunnel's answer, as a provider that speaks first would.
            peer.say("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhasty").await;
            peer.closed().await;
        });
        let mut stream = TcpStream::connect(address).await.unwrap();
        Egress::parse(&address.to_string()).unwrap().tunnel(&mut stream, "api.example:443").await.unwrap();
        let mut rest = vec![0; 43];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(rest, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhasty");
    });
}

#[test]
fn refusals_are_distinguished_and_show_no_password() {
    on_a_core(async {
        let nowhere = "127.0.0.1:9".parse().unwrap();
        let refuse = "HTTP/1.1 403 Forbidden by rule 7\r\n\r\n";
        let wants = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        let (address, _) = proxy(refuse, nowhere).await;
        let said = through(far(true), &format!("http://me:hunter2@{address}")).await.unwrap_err();
        assert_eq!(
            said,
            format!("egress proxy {address} refused a tunnel to api.example:8443: 403 Forbidden by rule 7")
        );
        let (address, _) = proxy(wants, nowhere).await;
        let said = through(far(true), &format!("http://{address}")).await.unwrap_err();
        assert_eq!(
            said,
            format!("egress proxy {address} wants credentials (407); write them as http://user:password@host:port")
        );
        let (address, _) = proxy(wants, nowhere).await;
        let said = through(far(true), &format!("http://me:hunter2@{address}")).await.unwrap_err();
        assert!(said.contains("refused the credentials (407)") && !said.contains("hunter2"), "{said}");
        let (address, _) = proxy("SSH-2.0\r\n\r\n", nowhere).await;
        let said = through(far(true), &format!("http://{address}")).await.unwrap_err();
        assert_eq!(said, format!("egress proxy {address} does not answer in HTTP/1.1"));
        let (address, _) = proxy("", nowhere).await;
        let said = through(far(true), &format!("http://{address}")).await.unwrap_err();
        assert_eq!(said, format!("egress proxy {address} broke off: it closed the connection"));
        let (gone, address) = listener().await;
        drop(gone);
        let said = through(far(true), &format!("http://{address}")).await.unwrap_err();
        assert!(said.starts_with(&format!("egress proxy {address}: cannot connect to ")), "{said}");
    });
}

#[test]
fn a_proxy_of_another_kind_is_refused_without_showing_it() {
    on_a_core(async {
        let said = through(far(true), "socks5://me:hunter2@10.0.0.1:1080").await.unwrap_err();
        assert_eq!(
            said,
            "proxy of flags.yaml: a proxy with socks5:// is not supported; write http://user:password@host:port"
        );
        let said = through(far(true), "http://me:hunter2@").await.unwrap_err();
        assert_eq!(said, "proxy of flags.yaml: it names no host; write http://user:password@host:port");
    });
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn the_files_proxy_goes_before_the_environments_which_is_for_https_only() {
    let environment = environment(&[("HTTPS_PROXY", "proxy.example:3128")]);
    let place = |configured, https| {
        environment.choose(configured, https, "api.example", 443).unwrap().map(|egress| egress.to_string())
    };
    assert_eq!(place(None, true).as_deref(), Some("egress proxy proxy.example:3128"));
    assert_eq!(place(None, false), None);
    assert_eq!(place(Some("http://other"), true).as_deref(), Some("egress proxy other:80"));
    assert_eq!(place(Some("http://other"), false).as_deref(), Some("egress proxy other:80"));
    assert_eq!(place(Some("none"), true), None, "the file's word against the environment's");
    assert!(environment.choose(Some("http://other"), true, "127.0.0.1", 443).unwrap().is_none());
    assert!(environment.choose(Some("http://other"), true, "localhost", 443).unwrap().is_none());
}

#[test]
fn no_proxy_exempts_hosts_suffixes_ports_and_everything() {
    let exempt = |no_proxy: &str, host: &str| {
        environment(&[("https_proxy", "http://p"), ("no_proxy", no_proxy)])
            .choose(None, true, host, 443)
            .unwrap()
            .is_none()
    };
    for (no_proxy, host, expected) in [
        ("", "api.example", false),
        ("*", "api.example", true),
        ("api.example", "api.example", true),
        ("API.example", "api.EXAMPLE", true),
        ("example", "api.example", true),
        (".example", "api.example", true),
        ("*.example", "api.example", true),
        ("ample", "api.example", false),
        ("api.example:443", "api.example", true),
        ("api.example:8443", "api.example", false),
        ("other, api.example", "api.example", true),
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.1", "10.0.0.11", false),
        ("fd00::1", "fd00::1", true),
        ("[fd00::1]:443", "fd00::1", true),
    ] {
        assert_eq!(exempt(no_proxy, host), expected, "{no_proxy} for {host}");
    }
}
