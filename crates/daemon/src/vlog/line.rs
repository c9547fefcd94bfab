//! The form of one log line.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Level;

/// How exact the time is: the console shows seconds, the file milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Seconds,
    Millis,
}

/// `2026-01-01T00:00:00.000Z|00001|module|INFO|text` and a line feed.
pub(super) fn format(
    now: SystemTime,
    precision: Precision,
    serial: u64,
    module: &str,
    level: Level,
    text: &str,
) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut line = String::with_capacity(text.len() + 64);
    let _ = write!(
        line,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    );
    if precision == Precision::Millis {
        let _ = write!(line, ".{:03}", since.subsec_millis());
    }
    let _ = writeln!(line, "Z|{serial:05}|{module}|{}|{text}", level.name());
    line
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
///
/// Counts in years that begin in March, so that the leap day is a year's last day: 400 such years
/// are always 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_form_of_a_line() {
        let now = at(1_767_225_600) + Duration::from_millis(7);
        assert_eq!(
            format(now, Precision::Millis, 1, "module", Level::Info, "text"),
            "2026-01-01T00:00:00.007Z|00001|module|INFO|text\n"
        );
        assert_eq!(
            format(now, Precision::Seconds, 123_456, "m", Level::Warn, "t"),
            "2026-01-01T00:00:00Z|123456|m|WARN|t\n"
        );
    }

    #[test]
    fn days_that_calendars_get_wrong() {
        // Checked with `date -u -d @N`.
        for (seconds, expected) in [
            (0, (1970, 1, 1)),
            (951_782_400, (2000, 2, 29)),
            (951_868_800, (2000, 3, 1)),
            (1_709_164_800, (2024, 2, 29)),
            (1_735_603_200, (2024, 12, 31)),
            (4_107_542_400, (2100, 3, 1)),
        ] {
            assert_eq!(civil(seconds / 86_400), expected);
        }
    }
}
