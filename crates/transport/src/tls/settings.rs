//! Versions and ciphers, in the words of `--ssl-protocols`, `--ssl-ciphers` and `--ssl-ciphersuites`.
//!
//! What is there: TLS 1.3 and 1.2, and of the ciphers those with forward secrecy and authenticated encryption.
//! Words of OpenSSL that take ciphers away are honoured by their not being there; a word that would bring in
//! something else is an error that names it.

use std::str::FromStr;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// Which versions and ciphers are spoken. The default is all that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    versions: Option<Versions>,
    /// Those of TLS 1.2, best first.
    old: Option<Vec<&'static str>>,
    /// Those of TLS 1.3, best first.
    new: Option<Vec<&'static str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    Both,
    Only12,
    Only13,
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not a version, or one that is given up.
    #[error("--ssl-protocols: not supported: {0}; there are TLSv1.2 and TLSv1.3")]
    Protocol(String),
    /// No version at all.
    #[error("--ssl-protocols: names no version; there are TLSv1.2 and TLSv1.3")]
    NoProtocol,
    /// A cipher that there is not.
    #[error("{flag}: not supported: {word}; there are {}", .known.join(", "))]
    Cipher {
        /// The flag.
        flag: &'static str,
        /// What it named.
        word: String,
        /// What it could have named.
        known: Vec<&'static str>,
    },
    /// No cipher is left.
    #[error("{0}: leaves no cipher; there are {known}", known = .1.join(", "))]
    NoCipher(&'static str, Vec<&'static str>),
}

/// A cipher by its name in OpenSSL, and the words that stand for it and others.
struct Cipher {
    name: &'static str,
    words: &'static [&'static str],
    suite: SupportedCipherSuite,
}

#[rustfmt::skip]
fn old_ciphers() -> [Cipher; 6] {
    use ring::cipher_suite as suite;
    let cipher = |name, words, suite| Cipher { name, words, suite };
    [
        cipher("ECDHE-ECDSA-AES256-GCM-SHA384", &["AES", "AES256", "AESGCM", "aECDSA", "ECDSA", "SHA384"], suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        cipher("ECDHE-RSA-AES256-GCM-SHA384", &["AES", "AES256", "AESGCM", "aRSA", "SHA384"], suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        cipher("ECDHE-ECDSA-CHACHA20-POLY1305", &["CHACHA20", "aECDSA", "ECDSA", "SHA256"], suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        cipher("ECDHE-RSA-CHACHA20-POLY1305", &["CHACHA20", "aRSA", "SHA256"], suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
        cipher("ECDHE-ECDSA-AES128-GCM-SHA256", &["AES", "AES128", "AESGCM", "aECDSA", "ECDSA", "SHA256"], suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        cipher("ECDHE-RSA-AES128-GCM-SHA256", &["AES", "AES128", "AESGCM", "aRSA", "SHA256"], suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ]
}

/// The versions that there are, best first.
static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// What all ciphers of TLS 1.2 are.
const ALL: &[&str] = &[
    "ALL",
    "COMPLEMENTOFDEFAULT",
    "DEFAULT",
    "ECDHE",
    "EECDH",
    "HIGH",
    "TLSv1.2",
    "kECDHE",
    "kEECDH",
];

#[rustfmt::skip]
fn new_ciphers() -> [Cipher; 3] {
    use ring::cipher_suite as suite;
    let cipher = |name, suite| Cipher { name, words: &[], suite };
    [
        cipher("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
        cipher("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
        cipher("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    ]
}

impl Settings {
    /// Reads the three flags; empty ones say nothing.
    ///
    /// # Errors
    /// The first word that cannot be honoured.
    pub fn parse(
        protocols: Option<&str>,
        ciphers: Option<&str>,
        ciphersuites: Option<&str>,
    ) -> Result<Self, SettingsError> {
        let given = |text: Option<&'_ str>| text.map(str::trim).is_some_and(|it| !it.is_empty());
        let mut settings = Self::default();
        if given(protocols) {
            settings.versions = Some(protocols.unwrap_or_default().parse()?);
        }
        if given(ciphers) {
            settings.old = Some(old(ciphers.unwrap_or_default())?);
        }
        if given(ciphersuites) {
            settings.new = Some(new(ciphersuites.unwrap_or_default())?);
        }
        Ok(settings)
    }

    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.versions {
            None | Some(Versions::Both) => &VERSIONS,
            Some(Versions::Only13) => &VERSIONS[..1],
            Some(Versions::Only12) => &VERSIONS[1..],
        }
    }

    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = ring::default_provider();
        let chosen = |known: &[Cipher], names: &Option<Vec<&str>>| -> Vec<SupportedCipherSuite> {
            match names {
                None => known.iter().map(|it| it.suite).collect(),
                Some(names) => {
                    let find = |name: &&str| known.iter().find(|it| it.name == *name);
                    names.iter().filter_map(find).map(|it| it.suite).collect()
                }
            }
        };
        provider.cipher_suites = chosen(&new_ciphers(), &self.new);
        provider
            .cipher_suites
            .extend(chosen(&old_ciphers(), &self.old));
        Arc::new(provider)
    }
}

impl FromStr for Versions {
    type Err = SettingsError;

    /// `TLSv1.2,TLSv1.3`, `TLSv1.2+` or `TLSv1.2-TLSv1.3`.
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let one = |word: &str| match word {
            "TLSv1.2" => Ok((true, false)),
            "TLSv1.3" => Ok((false, true)),
            other => Err(SettingsError::Protocol(other.to_owned())),
        };
        let text = text.trim();
        let (old, new) = if let Some(first) = text.strip_suffix('+') {
            (one(first.trim())?.0, true)
        } else if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (one(first.trim())?, one(last.trim())?);
            (first.0 || last.0, first.1 || last.1)
        } else {
            let words = text.split([',', ' ', '\t']).filter(|it| !it.is_empty());
            let (mut old, mut new) = (false, false);
            let mut given_up = None;
            for word in words {
                // Open vSwitch names these by default; they are left away where something better is named.
                if matches!(word, "TLSv1" | "TLSv1.1") {
                    given_up = Some(word);
                    continue;
                }
                let found = one(word)?;
                (old, new) = (old || found.0, new || found.1);
            }
            match given_up {
                Some(word) if !(old || new) => {
                    return Err(SettingsError::Protocol(word.to_owned()));
                }
                Some(word) => {
                    tracing::warn!(target: "stream_ssl", "--ssl-protocols: {word} is not supported and is left away");
                }
                None => {}
            }
            (old, new)
        };
        match (old, new) {
            (true, true) => Ok(Self::Both),
            (true, false) => Ok(Self::Only12),
            (false, true) => Ok(Self::Only13),
            (false, false) => Err(SettingsError::NoProtocol),
        }
    }
}

/// The ciphers that a list in the language of `ciphers(1)` leaves.
fn old(text: &str) -> Result<Vec<&'static str>, SettingsError> {
    const FLAG: &str = "--ssl-ciphers";
    let known = old_ciphers();
    let names = || known.iter().map(|it| it.name).collect::<Vec<_>>();
    let mut chosen: Vec<&'static str> = Vec::new();
    let mut never: Vec<&'static str> = Vec::new();
    let words = text.split([':', ',', ' ']).filter(|it| !it.is_empty());
    for word in words {
        if word == "@STRENGTH" || matches!(word, "@SECLEVEL=0" | "@SECLEVEL=1" | "@SECLEVEL=2") {
            continue;
        }
        let (sign, word_alone) = match word.split_at_checked(1) {
            Some((sign @ ("!" | "-" | "+"), rest)) => (sign, rest),
            _ => ("", word),
        };
        // A word may end in a level, as in DEFAULT@SECLEVEL=2, or join several, as in ECDHE+AESGCM.
        let word_alone = word_alone.split('@').next().unwrap_or_default();
        let fits = |cipher: &&Cipher| {
            word_alone.split('+').all(|part| {
                part == cipher.name || ALL.contains(&part) || cipher.words.contains(&part)
            })
        };
        let found: Vec<&str> = known.iter().filter(fits).map(|it| it.name).collect();
        match sign {
            "!" => {
                chosen.retain(|name| !found.contains(name));
                never.extend(found);
            }
            "-" => chosen.retain(|name| !found.contains(name)),
            "+" => {
                let moved = |name: &&str| found.contains(name);
                let last: Vec<_> = chosen.iter().copied().filter(moved).collect();
                chosen.retain(|name| !found.contains(name));
                chosen.extend(last);
            }
            _ if found.is_empty() => {
                return Err(SettingsError::Cipher {
                    flag: FLAG,
                    word: word.to_owned(),
                    known: names(),
                });
            }
            _ => {
                for name in found {
                    if !chosen.contains(&name) && !never.contains(&name) {
                        chosen.push(name);
                    }
                }
            }
        }
    }
    if chosen.is_empty() {
        return Err(SettingsError::NoCipher(FLAG, names()));
    }
    Ok(chosen)
}

/// The ciphers of TLS 1.3 that a list names.
fn new(text: &str) -> Result<Vec<&'static str>, SettingsError> {
    const FLAG: &str = "--ssl-ciphersuites";
    let known = new_ciphers();
    let names = || known.iter().map(|it| it.name).collect::<Vec<_>>();
    let mut chosen = Vec::new();
    for word in text.split([':', ',', ' ']).filter(|it| !it.is_empty()) {
        match known.iter().find(|cipher| cipher.name == word) {
            Some(cipher) if chosen.contains(&cipher.name) => {}
            Some(cipher) => chosen.push(cipher.name),
            None => {
                return Err(SettingsError::Cipher {
                    flag: FLAG,
                    word: word.to_owned(),
                    known: names(),
                });
            }
        }
    }
    if chosen.is_empty() {
        return Err(SettingsError::NoCipher(FLAG, names()));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("TLSv1.2", &[&TLS12])]
    #[case("TLSv1.3", &[&TLS13])]
    #[case("TLSv1.2+", &[&TLS13, &TLS12])]
    #[case("TLSv1.3+", &[&TLS13])]
    #[case("TLSv1.2-TLSv1.3", &[&TLS13, &TLS12])]
    #[case("TLSv1,TLSv1.1,TLSv1.2", &[&TLS12])]
    #[case("TLSv1.3, TLSv1.2", &[&TLS13, &TLS12])]
    #[case("", &[&TLS13, &TLS12])]
    fn versions(#[case] text: &str, #[case] expected: &[&SupportedProtocolVersion]) {
        let settings = Settings::parse(Some(text), None, None).unwrap();
        assert_eq!(settings.versions(), expected);
    }

    #[rstest]
    #[case("TLSv1.1", "not supported: TLSv1.1")]
    #[case("SSLv3", "not supported: SSLv3")]
    #[case("TLSv1.2+TLSv1.3", "not supported: TLSv1.2+TLSv1.3")]
    #[case("TLSv1.1-TLSv1.2", "not supported: TLSv1.1")]
    #[case(",", "names no version")]
    fn bad_versions(#[case] text: &str, #[case] expected: &str) {
        let error = Settings::parse(Some(text), None, None).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    fn names(text: &str) -> Vec<&'static str> {
        Settings::parse(None, Some(text), None)
            .unwrap()
            .old
            .unwrap()
    }

    #[test]
    fn ciphers_by_name_and_by_group() {
        assert_eq!(names("HIGH:!aNULL:!MD5").len(), 6);
        assert_eq!(names("DEFAULT:@SECLEVEL=2").len(), 6);
        assert_eq!(
            names("ECDHE+CHACHA20:ECDHE-RSA-AES128-GCM-SHA256"),
            [
                "ECDHE-ECDSA-CHACHA20-POLY1305",
                "ECDHE-RSA-CHACHA20-POLY1305",
                "ECDHE-RSA-AES128-GCM-SHA256"
            ]
        );
        assert_eq!(
            names("HIGH:!aECDSA:-AES128:+AES256"),
            ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES256-GCM-SHA384"]
        );
        assert_eq!(names("!CHACHA20:ALL").len(), 4);
        let settings = Settings::parse(None, Some("aRSA"), Some("TLS_AES_128_GCM_SHA256")).unwrap();
        assert_eq!(settings.provider().cipher_suites.len(), 4);
    }

    #[rstest]
    #[case(Some("AES256-SHA"), None, "--ssl-ciphers: not supported: AES256-SHA")]
    #[case(Some("HIGH:@SECLEVEL=4"), None, "not supported: @SECLEVEL=4")]
    #[case(Some("HIGH:!ECDHE"), None, "leaves no cipher")]
    #[case(None, Some("TLS_X"), "--ssl-ciphersuites: not supported: TLS_X")]
    fn bad_ciphers(#[case] old: Option<&str>, #[case] new: Option<&str>, #[case] expected: &str) {
        let error = Settings::parse(None, old, new).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
