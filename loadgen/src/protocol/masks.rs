//! The masks of a client's WebSocket frames: another one for each, as intermediaries expect (RFC 6455, 5.3).

/// Masks one after the other. They guard against caches that are fooled, not against those who listen.
#[derive(Debug)]
pub(super) struct Masks(u32);

impl Default for Masks {
    fn default() -> Self {
        Self(0x5eed_1e55)
    }
}

impl Masks {
    /// Of the next frame.
    pub(super) fn next(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        self.0.to_ne_bytes()
    }
}
