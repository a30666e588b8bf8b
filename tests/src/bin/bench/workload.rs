//! The rows that captures move: two tables, filled in transactions of ten thousand rows by one statement each.

use std::ops::Range;

use anyhow::Result;
use harness::database::Database;

/// The rows of one transaction.
pub(crate) const TRANSACTION_ROWS: u64 = 10_000;

/// A table and its rows.
#[derive(Debug)]
pub(crate) struct Workload {
    /// The table, in the database `bench`.
    pub(crate) table: &'static str,
    definition: &'static str,
    columns: &'static str,
    row: fn(u64) -> String,
}

/// Rows of about 80 bytes in the binlog.
pub(crate) const PAYMENTS: Workload = Workload {
    table: "payments",
    definition: "id BIGINT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, name VARCHAR(32) NOT NULL, \
        amount DECIMAL(10,2) NOT NULL, paid DATETIME(3) NOT NULL, note VARCHAR(40)",
    columns: "customer, name, amount, paid, note",
    row: payment,
};

/// Rows of about 600 bytes, like those of a shop's carts by which others measure themselves: numbers and one long, dull text.
pub(crate) const CART: Workload = Workload {
    table: "cart",
    definition: "id INT PRIMARY KEY AUTO_INCREMENT, user_id INT NOT NULL, product_id INT NOT NULL, \
        quantity INT NOT NULL DEFAULT 1, price DECIMAL(10,2) NOT NULL DEFAULT 0, info TEXT NOT NULL",
    columns: "user_id, product_id, quantity, price, info",
    row: cart,
};

fn payment(number: u64) -> String {
    let amount = format!("{}.{:02}", number % 900, number % 100);
    format!("({number}, 'Customer no. {number:07}', {amount}, NOW(3), 'thanks for order {number:09}')")
}

fn cart(number: u64) -> String {
    let (user, product, quantity) = (number % 10_000 + 1, number % 1_000 + 1, number % 10 + 1);
    let info = format!("item {number:08} ").repeat(40);
    format!("({user}, {product}, {quantity}, {}.99, '{info}')", number % 1_000)
}

impl Workload {
    /// Makes the table, and one beside it with the rows that transactions repeat.
    pub(crate) async fn create(&self, database: &Database) -> Result<()> {
        let Self { table, definition, columns, .. } = self;
        let seed = format!("CREATE TABLE bench.{table}_seed LIKE bench.{table}");
        let create = format!("CREATE TABLE bench.{table} ({definition})");
        database.run(&["CREATE DATABASE IF NOT EXISTS bench", &create, &seed]).await?;
        // Many rows of 600 bytes are more than a statement should hold.
        for first in (0..TRANSACTION_ROWS).step_by(1_000) {
            let values: Vec<_> = (first..first + 1_000).map(self.row).collect();
            let insert = format!("INSERT INTO bench.{table}_seed ({columns}) VALUES {}", values.join(","));
            database.run(&[&insert]).await?;
        }
        Ok(())
    }

    /// Commits so many rows.
    pub(crate) async fn load(&self, database: &Database, rows: u64) -> Result<()> {
        let Self { table, columns, .. } = self;
        let copy = format!("INSERT INTO bench.{table} ({columns}) SELECT {columns} FROM bench.{table}_seed");
        for _ in 0..rows / TRANSACTION_ROWS {
            database.run(&[&copy]).await?;
        }
        Ok(())
    }

    /// Commits so many rows in one transaction.
    pub(crate) async fn load_at_once(&self, database: &Database, rows: u64) -> Result<()> {
        let Self { table, columns, .. } = self;
        let copy = format!("INSERT INTO bench.{table} ({columns}) SELECT {columns} FROM bench.{table}_seed");
        let mut statements = vec!["START TRANSACTION"];
        statements.extend((0..rows / TRANSACTION_ROWS).map(|_| copy.as_str()));
        statements.push("COMMIT");
        database.run(&statements).await
    }

    /// A statement that inserts a few rows.
    pub(crate) fn insert(&self, numbers: Range<u64>) -> String {
        let values: Vec<_> = numbers.map(self.row).collect();
        format!("INSERT INTO bench.{} ({}) VALUES {}", self.table, self.columns, values.join(","))
    }
}
