//! Uploaded files, held in memory.
//!
//! Owns the bound (the oldest file goes when a new one would exceed it) and a reader of `multipart/form-data` that
//! is good for what SDKs send. Nothing reaches a disk.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

/// The files of one provider.
#[derive(Debug)]
pub(super) struct Files {
    most_bytes: usize,
    kept: RefCell<VecDeque<File>>,
    number: Cell<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) id: String,
    name: String,
    purpose: String,
    created: u64,
    pub(super) content: Bytes,
}

impl File {
    pub(super) fn described(&self) -> Value {
        json!({
            "id": self.id,
            "object": "file",
            "bytes": self.content.len(),
            "created_at": self.created,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        })
    }
}

impl Files {
    /// Keeps this many bytes of content, and always the newest file.
    pub(super) fn new(most_bytes: usize) -> Files {
        Files { most_bytes, kept: RefCell::default(), number: Cell::default() }
    }

    /// Keeps the upload's part named `file`. `None`: the body is not what its content type says, or has no file.
    pub(super) fn keep(&self, provider: &str, content_type: &str, body: &Bytes, created: u64) -> Option<File> {
        let parts = parts(content_type, body)?;
        let upload = parts.iter().find(|part| part.name == "file")?;
        let purpose = parts.iter().find(|part| part.name == "purpose");
        self.number.set(self.number.get() + 1);
        let file = File {
            id: format!("file-{provider}-{}", self.number.get()),
            name: upload.filename.clone().unwrap_or_else(|| "upload".to_owned()),
            purpose: purpose.map_or(String::new(), |part| String::from_utf8_lossy(&part.content).into_owned()),
            created,
            content: upload.content.clone(),
        };
        let mut kept = self.kept.borrow_mut();
        kept.push_back(file.clone());
        let mut total: usize = kept.iter().map(|file| file.content.len()).sum();
        while total > self.most_bytes && kept.len() > 1 {
            total -= kept.pop_front().map_or(0, |file| file.content.len());
        }
        Some(file)
    }

    pub(super) fn find(&self, id: &str) -> Option<File> {
        self.kept.borrow().iter().find(|file| file.id == id).cloned()
    }

    pub(super) fn remove(&self, id: &str) -> bool {
        let mut kept = self.kept.borrow_mut();
        let before = kept.len();
        kept.retain(|file| file.id != id);
        kept.len() < before
    }

    pub(super) fn list(&self) -> Value {
        let files: Vec<Value> = self.kept.borrow().iter().map(File::described).collect();
        json!({ "object": "list", "data": files, "has_more": false })
    }
}

struct Part {
    name: String,
    filename: Option<String>,
    content: Bytes,
}

/// The parts of a multipart body; their contents share its memory.
fn parts(content_type: &str, body: &Bytes) -> Option<Vec<Part>> {
    let boundary = content_type.split("boundary=").nth(1)?.split(';').next()?.trim().trim_matches('"');
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut at = find(body, delimiter.as_bytes(), 0)? + delimiter.len();
    while body.get(at..at + 2)? != b"--" {
        let head = at + 2;
        let content = find(body, b"\r\n\r\n", head)? + 4;
        let end = find(body, format!("\r\n{delimiter}").as_bytes(), content - 2)?;
        let head = String::from_utf8_lossy(&body[head..content - 4]).into_owned();
        parts.push(Part {
            name: parameter(&head, "name").unwrap_or_default(),
            filename: parameter(&head, "filename"),
            content: body.slice(content.min(end)..end),
        });
        at = end + 2 + delimiter.len();
    }
    Some(parts)
}

fn parameter(head: &str, name: &str) -> Option<String> {
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let value = disposition.split(&format!(" {name}=\"")).nth(1)?;
    value.split('"').next().map(str::to_owned)
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    rest.windows(what.len()).position(|window| window == what).map(|at| at + from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(content: &[u8]) -> Bytes {
        let mut body = b"--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: x/y\r\n\r\n"
            .to_vec();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--XX--\r\n");
        Bytes::from(body)
    }

    #[test]
    fn an_upload_comes_back_byte_for_byte() {
        for content in [&b""[..], b"x", b"\r\n--X\r\n\r\n", &[0, 255, 13, 10]] {
            let files = Files::new(1000);
            let file = files.keep("a", "multipart/form-data; boundary=XX", &upload(content), 5).unwrap();
            assert_eq!(files.find(&file.id).unwrap().content, content);
            assert_eq!((file.name.as_str(), file.purpose.as_str()), ("a.bin", "batch"));
        }
    }

    #[test]
    fn what_is_no_upload_is_refused() {
        let files = Files::new(1000);
        assert!(files.keep("a", "application/json", &upload(b"x"), 0).is_none());
        assert!(files.keep("a", "multipart/form-data; boundary=YY", &upload(b"x"), 0).is_none());
        assert!(files.keep("a", "multipart/form-data; boundary=XX", &upload(b"x").slice(..60), 0).is_none());
    }

    #[test]
    fn the_oldest_file_makes_room() {
        let files = Files::new(1000);
        let ids: Vec<String> = (0..3)
            .map(|_| files.keep("a", "multipart/form-data; boundary=XX", &upload(&vec![7; 400]), 0).unwrap().id)
            .collect();
        assert!(files.find(&ids[0]).is_none());
        assert!(files.find(&ids[2]).is_some());
    }
}
