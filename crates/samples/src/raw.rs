//! PDF files written object by object, for what no well-behaved writer would produce.

/// A file in the making: numbered objects, then the cross-reference table.
pub(crate) struct RawPdf {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

impl RawPdf {
    pub(crate) fn new() -> RawPdf {
        RawPdf {
            bytes: b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec(),
            offsets: Vec::new(),
        }
    }

    /// The number that the next object will have.
    pub(crate) fn next_number(&self) -> usize {
        self.offsets.len() + 1
    }

    /// Adds the next object (numbers count from 1 in the order of the calls) and returns its number.
    pub(crate) fn object(&mut self, body: &str) -> usize {
        self.offsets.push(self.bytes.len());
        let number = self.offsets.len();
        self.bytes
            .extend_from_slice(format!("{number} 0 obj\n{body}\nendobj\n").as_bytes());
        number
    }

    /// Adds a stream; `entries` are the dictionary's entries without `/Length`.
    pub(crate) fn stream(&mut self, entries: &str, data: &[u8]) -> usize {
        self.offsets.push(self.bytes.len());
        let number = self.offsets.len();
        let length = data.len();
        self.bytes.extend_from_slice(
            format!("{number} 0 obj\n<< {entries} /Length {length} >>\nstream\n").as_bytes(),
        );
        self.bytes.extend_from_slice(data);
        self.bytes.extend_from_slice(b"\nendstream\nendobj\n");
        number
    }

    /// The whole file; object 1 must be the catalog. `trailer` are further entries of the trailer.
    pub(crate) fn finish(mut self, trailer: &str) -> Vec<u8> {
        let table_at = self.bytes.len();
        let size = self.offsets.len() + 1;
        let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n");
        for offset in &self.offsets {
            table.push_str(&format!("{offset:010} 00000 n \n"));
        }
        table.push_str(&format!(
            "trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{table_at}\n%%EOF\n"
        ));
        self.bytes.extend_from_slice(table.as_bytes());
        self.bytes
    }
}
