//! From the bytes of a fuzzer to a file whose outside is in order.

use safetensors::tensor::{SafeTensors, TensorView, serialize};

/// The file that the first byte and the rest describe; `whole` is one in order.
pub fn inside(bytes: &[u8], whole: impl Fn() -> Vec<u8>) -> Vec<u8> {
    let Some((kind, rest)) = bytes.split_first() else { return Vec::new() };
    let whole = whole();
    let tensors = SafeTensors::deserialize(&whole).expect("a file in order");
    let (_, header) = SafeTensors::read_metadata(&whole).expect("a file in order");
    let mut texts = header.metadata().clone().expect("a text");
    let mut tensors: Vec<_> = tensors
        .tensors()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()))
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    match kind % 4 {
        0 => return rest.to_vec(),
        1 => {
            texts.insert("polytask".into(), String::from_utf8_lossy(rest).into_owned());
        }
        // Place, length and bytes that take the place of what is there, in the text.
        2 => {
            let text = texts.get_mut("polytask").expect("a text");
            for change in rest.chunks(12) {
                let [a, b, length, new @ ..] = change else { continue };
                let at = usize::from(u16::from_le_bytes([*a, *b])) % (text.len() + 1);
                let end = (at + usize::from(*length % 24)).min(text.len());
                if text.is_char_boundary(at) && text.is_char_boundary(end) {
                    let new = String::from_utf8_lossy(new);
                    text.replace_range(at..end, new.trim_end_matches('\0'));
                }
            }
        }
        // Which tensor, how many numbers it has now, and what one of them is.
        _ => {
            for change in rest.chunks(12) {
                let [which, length, at, new @ ..] = change else { continue };
                let n = tensors.len();
                let (_, dtype, shape, data) = &mut tensors[usize::from(*which) % n];
                let size = dtype.bitsize() / 8;
                if *length < 64 {
                    data.resize(usize::from(*length) * size, 0);
                    *shape = vec![usize::from(*length)];
                }
                let count = data.len() / size;
                if count > 0 && new.len() >= size {
                    let at = usize::from(*at) % count * size;
                    data[at..at + size].copy_from_slice(&new[..size]);
                }
            }
        }
    }
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).expect("as many bytes as its shape says"))
    });
    serialize(views, Some(texts)).unwrap_or_default()
}
