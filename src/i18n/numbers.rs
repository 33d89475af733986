//! Counts and sizes as people read them.

use super::{Count, Lang};

/// Groups the digits of a whole number in threes with a narrow no-break space: `1 284`, `100 000`.
#[must_use]
pub fn group(digits: &str) -> String {
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |rest| ("-", rest));
    let mut out = String::from(sign);
    let length = digits.chars().count();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (length - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

impl Lang {
    /// A whole number: `1 284`.
    #[must_use]
    pub fn number(self, n: impl Count) -> String {
        group(&n.count().to_string())
    }

    /// A number of bytes in the unit that fits: `300 B`, `812 KB`, `1,4 MB`, `5 GB` (steps of 1,024; one
    /// decimal below ten, `,` in German and `.` in English). Negative sizes are shown as none.
    #[must_use]
    pub fn size(self, bytes: impl Count) -> String {
        let bytes = u64::try_from(bytes.count()).unwrap_or(0);
        let units = ["KB", "MB", "GB", "TB"];
        if bytes < 1000 {
            return format!("{bytes}\u{a0}B");
        }
        // Tenths of the unit, rounded; whole numbers all the way, so nothing is lost at the borders.
        let mut unit_bytes: u64 = 1024;
        for (at, unit) in units.into_iter().enumerate() {
            let tenths =
                (u128::from(bytes) * 10 + u128::from(unit_bytes) / 2) / u128::from(unit_bytes);
            if tenths < 10_000 || at + 1 == units.len() {
                let (whole, tenth) = (tenths / 10, tenths % 10);
                return if tenths >= 100 || tenth == 0 {
                    let rounded = (tenths + 5) / 10;
                    let shown = if tenths >= 100 { rounded } else { whole };
                    format!("{}\u{a0}{unit}", group(&shown.to_string()))
                } else {
                    let point = match self {
                        Self::De => ',',
                        Self::En => '.',
                    };
                    format!("{whole}{point}{tenth}\u{a0}{unit}")
                };
            }
            unit_bytes *= 1024;
        }
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        for (raw, shown) in [
            ("0", "0"),
            ("999", "999"),
            ("1284", "1\u{202f}284"),
            ("100000", "100\u{202f}000"),
            ("-1234567", "-1\u{202f}234\u{202f}567"),
        ] {
            assert_eq!(group(raw), shown);
        }
    }

    #[test]
    fn sizes_take_the_unit_that_fits() {
        let de = |n: u64| Lang::De.size(n).replace('\u{a0}', " ");
        assert_eq!(de(0), "0 B");
        assert_eq!(de(999), "999 B");
        assert_eq!(de(1000), "1 KB");
        assert_eq!(de(1024), "1 KB");
        assert_eq!(de(1536), "1,5 KB");
        assert_eq!(de(640 * 1024), "640 KB");
        assert_eq!(de(10 * 1024 - 1), "10 KB");
        assert_eq!(de(1_468_006), "1,4 MB");
        assert_eq!(de(5 << 30), "5 GB");
        assert_eq!(Lang::De.number(1284_u32), "1\u{202f}284");
        assert_eq!(de(1 << 50), "1\u{202f}024 TB");
        assert_eq!(Lang::En.size(1_468_006_u64), "1.4\u{a0}MB");
        assert_eq!(Lang::De.size(-1_i64), "0\u{a0}B");
        assert_eq!(Lang::De.size(u64::MAX), Lang::De.size(i64::MAX));
    }
}
