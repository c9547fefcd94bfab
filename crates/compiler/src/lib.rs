//! Northbound rows to Southbound rows.
