use std::collections::BTreeSet;

use http::Request;
use http_body_util::BodyExt;

use super::assets::{ASSETS, find};
use super::*;

fn ask(path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    serve(find(path).unwrap(), &request.body(()).unwrap().into_parts().0)
}

fn body(reply: Reply) -> Vec<u8> {
    let collected = futures_util::FutureExt::now_or_never(reply.into_body().collect()).unwrap().unwrap();
    collected.to_bytes().to_vec()
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    Some(reply.headers().get(name)?.to_str().unwrap())
}

#[test]
fn every_file_of_the_folder_is_served_as_it_lies_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/dashboard");
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/src/describe/page");
    let mut files = BTreeSet::new();
    let own = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in own.chain(["chart.js", "chart.css"].map(|name| std::path::Path::new(shared).join(name))) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".rs") {
            let asset =
                ASSETS.iter().find(|asset| asset.name == name).unwrap_or_else(|| panic!("{name} is not served"));
            assert_eq!(asset.text(), std::fs::read(&path).unwrap(), "{name}");
            files.insert(name);
        }
    }
    assert_eq!(files, ASSETS.iter().map(|asset| asset.name.to_owned()).collect());
}

#[test]
fn the_page_names_only_files_that_there_are() {
    for asset in &ASSETS {
        let text = String::from_utf8(asset.text()).unwrap();
        let relative =
            text.split("from \"./").skip(1).map(|rest| format!("/dashboard/{}", rest.split('"').next().unwrap()));
        let named =
            text.split("=\"dashboard/").skip(1).map(|rest| format!("/dashboard/{}", rest.split('"').next().unwrap()));
        for path in relative.chain(named) {
            assert!(find(&path).is_some(), "{} names {path}", asset.name);
        }
    }
}

#[test]
fn the_whole_page_weighs_less_than_150_kb() {
    let plain: usize = ASSETS.iter().map(|asset| asset.text().len()).sum();
    let sent: usize = ASSETS.iter().map(|asset| asset.compressed.len()).sum();
    assert!(plain < 150_000, "{plain}");
    assert!(sent < 70_000, "{sent}");
}

#[test]
fn nothing_but_these_files_may_run_in_it_or_around_it() {
    let reply = ask("/", &[]);
    let policy = header(&reply, "content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.split("; ").any(|one| one == rule), "{rule} is missing in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&reply, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(&reply, "content-type"), Some("text/html; charset=utf-8"));
    let page = String::from_utf8(body(reply)).unwrap();
    for inline in ["<style", " style=", " onclick=", "javascript:"] {
        assert!(!page.contains(inline), "{inline}");
    }
    assert_eq!(page.matches("<script").count(), 1);
}

#[test]
fn a_browser_that_has_it_is_told_so() {
    for encoding in ["gzip", "identity"] {
        let first = ask("/dashboard/app.js", &[("accept-encoding", encoding)]);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = header(&first, "etag").unwrap().to_owned();
        let again =
            ask("/dashboard/app.js", &[("accept-encoding", encoding), ("if-none-match", &format!("\"x\", W/{tag}"))]);
        assert_eq!((again.status(), header(&again, "etag")), (StatusCode::NOT_MODIFIED, Some(tag.as_str())));
        assert_eq!(body(again), b"");
        let other = ask("/dashboard/app.js", &[("accept-encoding", encoding), ("if-none-match", "\"x\"")]);
        assert_eq!(other.status(), StatusCode::OK);
    }
    let tags = ["gzip", "identity"]
        .map(|encoding| header(&ask("/", &[("accept-encoding", encoding)]), "etag").unwrap().to_owned());
    assert_ne!(tags[0], tags[1]);
}

#[test]
fn it_is_compressed_for_those_who_take_it_only() {
    for (accepted, compressed) in
        [("gzip, deflate, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)]
    {
        let reply = ask("/dashboard/chart.js", &[("accept-encoding", accepted)]);
        assert_eq!(header(&reply, "content-encoding"), compressed.then_some("gzip"), "{accepted}");
        assert_eq!(body(reply).starts_with(&[0x1f, 0x8b]), compressed, "{accepted}");
    }
}

#[test]
fn other_paths_are_none_of_its() {
    for path in [
        "",
        "/dashboard",
        "/dashboard/",
        "/dashboard/index.html",
        "/dashboard/../app.js",
        "/app.js",
        "/dashboard/app.js/",
        "/index.html",
    ] {
        assert!(find(path).is_none(), "{path}");
    }
}
