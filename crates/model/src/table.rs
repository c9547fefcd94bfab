//! The trait of a typed row, and the macros that declare tables.

use ovsdb::schema::TableSchema;
use ovsdb::{Datum, Row};

use crate::column::Column;

/// A row as a struct.
pub trait Table: Clone + Eq + Send + Sync + std::fmt::Debug + 'static {
    /// The table's name in the schema, for example `Logical_Switch`.
    const NAME: &'static str;
    /// The database's name, for example `OVN_Northbound`.
    const DATABASE: &'static str;

    /// The table's schema.
    fn schema() -> TableSchema;

    /// Reads a row whose columns stand in the order of [`Table::schema`].
    ///
    /// # Errors
    /// When a column holds a value that its type here does not know, for example a word that is not
    /// among those of an enumeration. What is wrong with one row is no reason to leave out others.
    fn from_row(row: &Row) -> Result<Self, RowError>;

    /// The row, its columns in the order of [`Table::schema`].
    fn to_row(&self) -> Row;
}

/// A row that its type cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of a row of {table} holds {value}, which is not a value it may have")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// The first column that could not be read.
    pub column: &'static str,
    /// What the column holds, in the notation of OVSDB.
    pub value: String,
}

/// Reads the column at the position `at`.
pub(crate) fn read<C: Column>(
    row: &Row,
    at: usize,
    table: &'static str,
    column: &'static str,
) -> Result<C, RowError> {
    // Rows have all columns of their table; what is missing all the same reads as the empty set.
    let datum = row.get(at).unwrap_or(&Datum::EMPTY_SET);
    C::from_datum(datum).ok_or_else(|| RowError {
        table,
        column,
        value: text(datum),
    })
}

fn text(datum: &Datum) -> String {
    let atoms = datum.atoms().iter().map(ToString::to_string);
    let pairs = datum
        .pairs()
        .iter()
        .map(|(key, value)| format!("{key}: {value}"));
    format!("{{{}}}", atoms.chain(pairs).collect::<Vec<_>>().join(", "))
}

/// Declares enumerations: columns that hold one of a few words.
macro_rules! values {
    ($( $(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? } )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("`", $word, "`")]
                $variant,
            )+
        }

        impl $name {
            /// All values, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that the database holds.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ALL[0]
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::column::Scalar for $name {
            fn base_type() -> ovsdb::schema::BaseType {
                let words = Self::ALL.iter().map(|value| value.as_str());
                ovsdb::schema::BaseType::enumeration(ovsdb::AtomicType::String, words)
            }
            fn from_atom(atom: &ovsdb::Atom) -> Option<Self> {
                let word = atom.as_str()?;
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
            fn to_atom(&self) -> ovsdb::Atom {
                self.as_str().into()
            }
        }
    )* };
}

/// Declares the tables of a database; the words in brackets are the methods of `spec.rs`.
macro_rules! database {
    (
        $database:literal version $version:literal
        $(
            $(#[$doc:meta])*
            $name:ident = $table:literal $([ $($tword:ident ( $($targ:expr)? )),+ ])? {
                $(
                    $(#[$cdoc:meta])*
                    $field:ident : $ty:ty $([ $($word:ident ( $($arg:expr)? )),+ ])? ,
                )*
            }
        )+
    ) => {
        /// The name of the database.
        pub const NAME: &str = $database;
        /// The version of the schema that this one is a superset of.
        pub const VERSION: &str = $version;

        /// The schema, generated from the declarations.
        pub fn schema() -> ovsdb::schema::DatabaseSchema {
            use $crate::table::Table;
            let tables = vec![$(<$name as Table>::schema()),+];
            ovsdb::schema::DatabaseSchema::new(NAME, VERSION, tables)
                .expect("declared tables refer to declared tables")
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq, Eq)]
            #[allow(missing_docs)] // The columns are documented where the module says.
            pub struct $name {
                $( $(#[$cdoc])* pub $field: $ty, )*
            }

            impl $crate::table::Table for $name {
                const NAME: &'static str = $table;
                const DATABASE: &'static str = $database;

                fn schema() -> ovsdb::schema::TableSchema {
                    let columns = vec![$(
                        $crate::spec::ColumnSpec::of::<$ty>(stringify!($field))
                            $($(.$word($($arg)?))+)?
                            .build()
                    ),*];
                    $crate::spec::TableSpec::new($table, columns) $($(.$tword($($targ)?))+)? .build()
                }

                fn from_row(row: &ovsdb::Row) -> Result<Self, $crate::table::RowError> {
                    let mut columns = 0..;
                    let mut next = || columns.next().unwrap_or(usize::MAX);
                    Ok(Self {
                        $($field: $crate::table::read(row, next(), $table, stringify!($field))?,)*
                    })
                }

                fn to_row(&self) -> ovsdb::Row {
                    [$($crate::column::Column::to_datum(&self.$field)),*].into_iter().collect()
                }
            }
        )+
    };
}

pub(crate) use {database, values};
