//! DEFLATE on a connection (RFC 1951, as IMAP's COMPRESS uses it, RFC 4978), in bounded steps both ways.

use std::io;

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The two directions of a connection.
#[derive(Debug)]
pub struct Deflate {
    packs: Compress,
    unpacks: Decompress,
    /// Octets from the network that were not unpacked yet.
    packed: BytesMut,
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            packs: Compress::new(Compression::fast(), false),
            unpacks: Decompress::new(false),
            packed: BytesMut::new(),
        }
    }
}

impl Deflate {
    /// Octets as they came, to be unpacked by [`Deflate::unpack`].
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.packed
    }

    /// Unpacks at most one step behind `out`; says how many octets that were.
    ///
    /// # Errors
    /// What came is no DEFLATE, or has ended.
    pub fn unpack(&mut self, out: &mut BytesMut) -> io::Result<usize> {
        let mut room = [0; STEP];
        let (before_in, before_out) = (self.unpacks.total_in(), self.unpacks.total_out());
        let status = self
            .unpacks
            .decompress(&self.packed, &mut room, FlushDecompress::Sync)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not DEFLATE"))?;
        let taken = size(self.unpacks.total_in() - before_in);
        let made = size(self.unpacks.total_out() - before_out);
        drop(self.packed.split_to(taken.min(self.packed.len())));
        out.extend_from_slice(room.get(..made).unwrap_or_default());
        if matches!(status, Status::StreamEnd) && made == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the stream has ended",
            ));
        }
        Ok(made)
    }

    /// Packs `octets` whole, so that the other side can read all of them.
    ///
    /// # Errors
    /// The packer failed.
    pub fn pack(&mut self, octets: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(octets.len() / 2 + 64);
        let mut rest = octets;
        loop {
            out.reserve(STEP);
            let (before_in, before_out) = (self.packs.total_in(), self.packs.total_out());
            self.packs
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .map_err(io::Error::other)?;
            let taken = size(self.packs.total_in() - before_in);
            let made = size(self.packs.total_out() - before_out);
            rest = rest.get(taken..).unwrap_or_default();
            // Room that was not used up says that the flush is through.
            if rest.is_empty() && (made == 0 || out.len() < out.capacity()) {
                return Ok(out);
            }
        }
    }
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Octets unpacked in one step: a bomb fills no more than this at a time.
const STEP: usize = 16_384;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacked(side: &mut Deflate, packed: &[u8]) -> Vec<u8> {
        side.input().extend_from_slice(packed);
        let mut out = BytesMut::new();
        while side.unpack(&mut out).unwrap() > 0 {}
        out.to_vec()
    }

    #[test]
    fn a_bomb_comes_in_steps() {
        let packed = Deflate::default().pack(&vec![b'x'; 10_000_000]).unwrap();
        assert!(packed.len() < 60_000);
        let mut side = Deflate::default();
        side.input().extend_from_slice(&packed);
        let mut out = BytesMut::new();
        assert!(side.unpack(&mut out).unwrap() <= STEP);
        assert_eq!(unpacked(&mut side, b"").len() + out.len(), 10_000_000);
    }

    #[test]
    fn rubbish_is_an_error() {
        let mut side = Deflate::default();
        side.input().extend_from_slice(&[0xff; 100]);
        assert!(side.unpack(&mut BytesMut::new()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_at_once(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 1..6)) {
            let (mut here, mut there) = (Deflate::default(), Deflate::default());
            for piece in pieces {
                let packed = here.pack(&piece).unwrap();
                prop_assert_eq!(unpacked(&mut there, &packed), piece);
            }
        }
    }
}
