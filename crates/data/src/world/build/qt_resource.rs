//! Reader of Qt binary resources (`.rcc`, format version 3): a tree of nodes, a table of names and
//! the files' bytes, all big endian (Qt documentation, "The Qt Resource System"; `rcc` writes it).

use std::io::Read;

/// Bytes of a tree node: name, flags, children or data, and (from version 2) a time stamp.
const NODE: usize = 22;
const COMPRESSED: u16 = 1;
const DIRECTORY: u16 = 2;
/// No file of a resource is larger once inflated.
const MAX_BYTES: u64 = 64 << 20;

/// All files of a resource, with their paths; `Err` says what is wrong with it.
pub(super) fn files(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    if bytes.get(..4) != Some(b"qres") || word(bytes, 4)? != 3 {
        return Err("it is not a Qt resource of version 3".to_owned());
    }
    let [tree, data, names] = [word(bytes, 8)?, word(bytes, 12)?, word(bytes, 16)?];
    let mut found = Vec::new();
    let mut open = vec![(0, String::new())];
    let n_nodes = bytes.len() / NODE;
    // Each node is visited once; more visits than nodes mean that the tree loops.
    for _ in 0..=n_nodes {
        let Some((node, path)) = open.pop() else { return Ok(found) };
        let at = tree + node * NODE;
        let flags = half(bytes, at + 4)?;
        if flags & DIRECTORY != 0 {
            let (count, first) = (word(bytes, at + 6)?, word(bytes, at + 10)?);
            for child in first..first + count.min(n_nodes) {
                let name = name(bytes, names + word(bytes, tree + child * NODE)?)?;
                open.push((child, format!("{path}/{name}")));
            }
        } else {
            let start = data + word(bytes, at + 10)?;
            let content = slice(bytes, start + 4, word(bytes, start)?)?;
            found.push((path, if flags & COMPRESSED != 0 { inflate(content)? } else { content.to_vec() }));
        }
    }
    Err("its tree has a loop".to_owned())
}

fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], String> {
    bytes
        .get(at..at.saturating_add(length))
        .ok_or_else(|| format!("it ends before byte {}", at.saturating_add(length)))
}

fn word(bytes: &[u8], at: usize) -> Result<usize, String> {
    Ok(slice(bytes, at, 4)?.iter().fold(0, |word, byte| word << 8 | usize::from(*byte)))
}

fn half(bytes: &[u8], at: usize) -> Result<u16, String> {
    Ok(slice(bytes, at, 2)?.iter().fold(0, |half, byte| half << 8 | u16::from(*byte)))
}

/// A name: length, hash, UTF-16.
fn name(bytes: &[u8], at: usize) -> Result<String, String> {
    let units = slice(bytes, at + 6, 2 * usize::from(half(bytes, at)?))?;
    let units: Vec<u16> =
        units.chunks_exact(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1])).collect();
    String::from_utf16(&units).map_err(|error| error.to_string())
}

/// A compressed file: its length, then a zlib stream.
fn inflate(content: &[u8]) -> Result<Vec<u8>, String> {
    let stream = content.get(4..).ok_or("a compressed file without a length")?;
    let mut inflated = Vec::new();
    flate2::read::ZlibDecoder::new(stream)
        .take(MAX_BYTES)
        .read_to_end(&mut inflated)
        .map_err(|error| error.to_string())?;
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// `/dir/a` (plain) and `/dir/b` (compressed).
    fn resource() -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(b"hello").unwrap();
        let packed = [vec![0, 0, 0, 5], zlib.finish().unwrap()].concat();
        let mut data = Vec::new();
        let mut starts = Vec::new();
        for content in [b"abc".as_slice(), packed.as_slice()] {
            starts.push(data.len() as u32);
            data.extend((content.len() as u32).to_be_bytes());
            data.extend(content);
        }
        let mut names = Vec::new();
        let mut offsets = Vec::new();
        for name in ["dir", "a", "b"] {
            offsets.push(names.len() as u32);
            names.extend((name.len() as u16).to_be_bytes());
            names.extend([0; 4]);
            names.extend(name.encode_utf16().flat_map(u16::to_be_bytes));
        }
        let node = |name: u32, flags: u16, a: u32, b: u32| {
            [&name.to_be_bytes()[..], &flags.to_be_bytes(), &a.to_be_bytes(), &b.to_be_bytes(), &[0; 8]]
                .concat()
        };
        let tree = [
            node(0, DIRECTORY, 1, 1),
            node(offsets[0], DIRECTORY, 2, 2),
            node(offsets[1], 0, 0, starts[0]),
            node(offsets[2], COMPRESSED, 0, starts[1]),
        ]
        .concat();
        let header = 20;
        let data_at = header + tree.len() as u32;
        let names_at = data_at + data.len() as u32;
        let mut bytes = b"qres".to_vec();
        for word in [3, header, data_at, names_at] {
            bytes.extend(word.to_be_bytes());
        }
        [bytes, tree, data, names].concat()
    }

    #[test]
    fn files_are_found_and_inflated() {
        let mut files = files(&resource()).unwrap();
        files.sort();
        let expected = [("/dir/a", b"abc".to_vec()), ("/dir/b", b"hello".to_vec())];
        assert_eq!(files, expected.map(|(path, bytes)| (path.to_owned(), bytes)));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let good = resource();
        assert!(files(b"text").is_err());
        for length in 0..good.len() {
            assert!(files(&good[..length]).is_err(), "cut at {length}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            let _ = files(&bad);
        }
    }
}
