//! The least of HDF5 that Keras reads weights from: groups and arrays of 32-bit numbers, with the first version of each of the
//! format's parts, which need no checksums. Layouts are those of the format's specification, version 3:
//! <https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html>.

use std::collections::BTreeMap;

use crate::{Error, Result, Tensor};

/// A group or an array in it.
pub(super) enum Member<'a> {
    Group(BTreeMap<String, Member<'a>>),
    Array(&'a Tensor, Vec<usize>),
}

/// The size of the superblock, with which a file begins.
const SUPERBLOCK_LEN: usize = 96;
const UNDEFINED: u64 = u64::MAX;

const DATASPACE: u16 = 0x1;
const LINK_INFO: u16 = 0x2;
const DATATYPE: u16 = 0x3;
const FILL_VALUE: u16 = 0x5;
const LINK: u16 = 0x6;
const LAYOUT: u16 = 0x8;
const GROUP_INFO: u16 = 0xA;

/// A file with this group outermost.
///
/// # Errors
/// When a name is longer, or a group has more members, than the format has numbers for.
pub(super) fn file(root: &Member<'_>) -> Result<Vec<u8>> {
    let mut file = vec![0; SUPERBLOCK_LEN];
    let root = put_member(&mut file, root)?;
    let mut superblock = crate::h5::SIGNATURE.to_vec();
    // Versions of the superblock, the free space, the root's entry and shared headers; the size of addresses and of lengths.
    superblock.extend([0, 0, 0, 0, 0, 8, 8, 0]);
    // The ranks of symbol tables, of which there are none.
    superblock.extend([4, 0, 16, 0, 0, 0, 0, 0]);
    let end = file.len() as u64;
    superblock.extend([0, UNDEFINED, end, UNDEFINED, 0, root].into_iter().flat_map(u64::to_le_bytes));
    file[..superblock.len()].copy_from_slice(&superblock);
    Ok(file)
}

/// Appends bytes at a multiple of eight, and says where.
fn put(file: &mut Vec<u8>, bytes: impl IntoIterator<Item = u8>) -> u64 {
    file.resize(file.len().next_multiple_of(8), 0);
    let address = file.len() as u64;
    file.extend(bytes);
    address
}

fn put_member(file: &mut Vec<u8>, member: &Member<'_>) -> Result<u64> {
    let messages = match member {
        Member::Group(members) => {
            let mut messages = Messages::default();
            let links = [[0; 2].as_slice(), &[0xFF; 16]].concat();
            messages.add(LINK_INFO, &links)?;
            messages.add(GROUP_INFO, &[0, 0])?;
            for (name, member) in members {
                let address = put_member(file, member)?;
                messages.add(LINK, &link(name, address)?)?;
            }
            messages
        }
        Member::Array(tensor, shape) => {
            let bytes = tensor.data().iter().flat_map(|value| value.to_le_bytes());
            let address = put(file, bytes);
            array(shape, address, 4 * tensor.data().len() as u64)?
        }
    };
    Ok(put(file, messages.into_header()?))
}

/// A name and the address of what it names.
fn link(name: &str, address: u64) -> Result<Vec<u8>> {
    let len = u16::try_from(name.len()).map_err(|_| too_large("a layer's name"))?;
    // Version 1; the name has a character set, UTF-8, and a length of two bytes.
    let mut link = vec![1, 0b1_0001, 1];
    link.extend(len.to_le_bytes());
    link.extend(name.as_bytes());
    link.extend(address.to_le_bytes());
    Ok(link)
}

/// The header of an array that lies in one piece.
fn array(shape: &[usize], address: u64, len: u64) -> Result<Messages> {
    let mut messages = Messages::default();
    let rank = u8::try_from(shape.len()).map_err(|_| too_large("an array's rank"))?;
    let sizes = shape.iter().flat_map(|size| (*size as u64).to_le_bytes());
    let dataspace: Vec<u8> = [1, rank, 0, 0, 0, 0, 0, 0].into_iter().chain(sizes).collect();
    messages.add(DATASPACE, &dataspace)?;
    // Floating point, little-endian, the mantissa's first bit implied, the sign at bit 31; of 4 bytes; 32 bits from bit 0, an
    // exponent of 8 from bit 23, a mantissa of 23 from bit 0, and the exponent's bias 127.
    let datatype = [0x11, 0x20, 0x1F, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
    messages.add(DATATYPE, &datatype)?;
    messages.add(FILL_VALUE, &[2, 1, 0, 0])?;
    let place = [address, len].into_iter().flat_map(u64::to_le_bytes);
    let layout: Vec<u8> = [3, 1].into_iter().chain(place).collect();
    messages.add(LAYOUT, &layout)?;
    Ok(messages)
}

/// The messages of an object's header.
#[derive(Default)]
struct Messages {
    count: usize,
    bytes: Vec<u8>,
}

impl Messages {
    fn add(&mut self, kind: u16, content: &[u8]) -> Result<()> {
        let len = content.len().next_multiple_of(8);
        let stored = u16::try_from(len).map_err(|_| too_large("a message"))?;
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(stored.to_le_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(content);
        self.bytes.extend(std::iter::repeat_n(0, len - content.len()));
        self.count += 1;
        Ok(())
    }

    fn into_header(self) -> Result<Vec<u8>> {
        let count = u16::try_from(self.count).map_err(|_| too_large("a group"))?;
        let len = u32::try_from(self.bytes.len()).map_err(|_| too_large("a group"))?;
        let mut header = vec![1, 0];
        header.extend(count.to_le_bytes());
        // One object refers to this one.
        header.extend(1_u32.to_le_bytes());
        header.extend(len.to_le_bytes());
        header.extend([0; 4]);
        header.extend(self.bytes);
        Ok(header)
    }
}

fn too_large(what: &str) -> Error {
    super::problem(format!("{what} is too large for HDF5"))
}
