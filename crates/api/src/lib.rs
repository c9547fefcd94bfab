//! The declarative document.
