//! Exchange ActiveSync: the codec, the HTTP layer and every command, spoken by a simulated device.

mod wbxml;
