//! The page that the bench writes: Markdown, built from top to bottom.

/// The text so far.
#[derive(Default)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn heading(&mut self, text: &str) {
        self.block(&format!("## {text}"));
    }

    pub(crate) fn words(&mut self, text: &str) {
        self.block(text);
    }

    /// A table: its head, and rows that begin with their name.
    pub(crate) fn table(&mut self, head: &[String], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let rule = format!("|{}", "---|".repeat(head.len()));
        let lines: Vec<String> = [line(head), rule].into_iter().chain(rows.iter().map(|row| line(row))).collect();
        self.block(&lines.join("\n"));
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }

    fn block(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(text.trim());
        self.0.push('\n');
    }
}
