//! A small shop that keeps changing: customers, products and orders in MySQL, and a journal of every committed change.
//!
//! Every row carries a version that each change of it raises by one, so that the far end can tell a lost, repeated or
//! reordered change from the rows alone. Invariant: the journal holds exactly the changes whose COMMIT was answered.

use anyhow::{Context, Result};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::database::Database;

/// What happened to a row, in Debezium's letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `c`: the row is new.
    Create,
    /// `u`: the row has changed.
    Update,
    /// `d`: the row is gone.
    Delete,
}

/// A row, by its table and primary key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    /// The table's name.
    pub table: String,
    /// The value of its column `id`.
    pub id: i64,
}

/// One committed change. The deletion of a row counts as one version more than the row had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which row.
    pub key: RowKey,
    /// What happened.
    pub operation: Operation,
    /// The row's version after it.
    pub version: i64,
}

/// The tables, and the rows that they start with.
const TABLES: [&str; 4] = [
    "CREATE DATABASE shop",
    "CREATE TABLE shop.customers (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL, email VARCHAR(200), version BIGINT NOT NULL)",
    "CREATE TABLE shop.products (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL, price DECIMAL(10,2) NOT NULL, version BIGINT NOT NULL)",
    "CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, product BIGINT NOT NULL, quantity INT NOT NULL, \
     placed TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), note TEXT, version BIGINT NOT NULL)",
];

/// How many customers and products there are from the start.
const STOCK: i64 = 20;

/// The shop as its only writer knows it.
#[derive(Debug)]
pub struct Shop {
    connection: Conn,
    journal: Vec<Change>,
    customers: Vec<i64>,
    products: Vec<i64>,
    orders: Vec<(i64, i64)>,
    orders_placed: i64,
    random: u64,
}

impl Shop {
    /// Creates the tables and their first rows, which stand in the journal as creations.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn open(database: &Database, seed: u64) -> Result<Self> {
        database.run(&TABLES).await?;
        let mut shop = Self {
            connection: database.connect().await?,
            journal: Vec::new(),
            customers: vec![1; usize::try_from(STOCK)?],
            products: vec![1; usize::try_from(STOCK)?],
            orders: Vec::new(),
            orders_placed: 0,
            random: seed | 1,
        };
        shop.stock().await?;
        Ok(shop)
    }

    /// Connects again after the server was away. The journal stays.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn reconnect(&mut self, database: &Database) -> Result<()> {
        self.connection = database.connect().await?;
        Ok(())
    }

    /// Every committed change so far, in the order of the commits.
    #[must_use]
    pub fn journal(&self) -> &[Change] {
        &self.journal
    }

    /// Runs one transaction of one to four changes; about one in ten is rolled back.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn transact(&mut self) -> Result<()> {
        let roll_back = self.below(10) == 0;
        self.connection.query_drop("BEGIN").await?;
        let before = (self.customers.clone(), self.products.clone(), self.orders.clone());
        let mut changes = Vec::new();
        for _ in 0..=self.below(4) {
            changes.push(self.change().await?);
        }
        if roll_back {
            self.connection.query_drop("ROLLBACK").await?;
            (self.customers, self.products, self.orders) = before;
        } else {
            self.connection.query_drop("COMMIT").await?;
            self.journal.extend(changes);
        }
        Ok(())
    }

    async fn stock(&mut self) -> Result<()> {
        for id in 1..=STOCK {
            let customer =
                format!("INSERT INTO shop.customers VALUES ({id}, 'Customer {id}', 'c{id}@example.com', 1)");
            let product = format!("INSERT INTO shop.products VALUES ({id}, 'Product {id}', {id}.99, 1)");
            self.connection.query_drop(customer).await?;
            self.connection.query_drop(product).await?;
            for table in ["customers", "products"] {
                self.journal.push(change(table, id, Operation::Create, 1));
            }
        }
        Ok(())
    }

    async fn change(&mut self) -> Result<Change> {
        match self.below(10) {
            0..=3 => self.place_order().await,
            4..=5 if !self.orders.is_empty() => self.change_order().await,
            6 if !self.orders.is_empty() => self.cancel_order().await,
            7 => self.change_stock("products", "price = price + 0.01").await,
            _ => self.change_stock("customers", "name = CONCAT('Customer ', id, ' – ', version)").await,
        }
    }

    async fn place_order(&mut self) -> Result<Change> {
        self.orders_placed += 1;
        let id = self.orders_placed;
        let (customer, product, quantity) = (self.below(20) + 1, self.below(20) + 1, self.below(9) + 1);
        let columns = "id, customer, product, quantity, note, version";
        let note = if quantity > 5 { "NULL" } else { "'with \"care\", please'" };
        let values = format!("{id}, {customer}, {product}, {quantity}, {note}, 1");
        self.connection.query_drop(format!("INSERT INTO shop.orders ({columns}) VALUES ({values})")).await?;
        self.orders.push((id, 1));
        Ok(change("orders", id, Operation::Create, 1))
    }

    async fn change_order(&mut self) -> Result<Change> {
        let index = self.pick_order()?;
        let order = self.orders.get_mut(index).context("no such order")?;
        order.1 += 1;
        let (id, version) = *order;
        let sql =
            format!("UPDATE shop.orders SET quantity = quantity + 1, version = version + 1 WHERE id = {id}");
        self.connection.query_drop(sql).await?;
        Ok(change("orders", id, Operation::Update, version))
    }

    async fn cancel_order(&mut self) -> Result<Change> {
        let index = self.pick_order()?;
        let (id, version) = self.orders.swap_remove(index);
        self.connection.query_drop(format!("DELETE FROM shop.orders WHERE id = {id}")).await?;
        Ok(change("orders", id, Operation::Delete, version + 1))
    }

    async fn change_stock(&mut self, table: &str, assignment: &str) -> Result<Change> {
        let index = usize::try_from(self.below(20))?;
        let versions = if table == "products" { &mut self.products } else { &mut self.customers };
        let version = versions.get_mut(index).context("no such row")?;
        *version += 1;
        let (version, id) = (*version, i64::try_from(index)? + 1);
        let sql = format!("UPDATE shop.{table} SET {assignment}, version = version + 1 WHERE id = {id}");
        self.connection.query_drop(sql).await?;
        Ok(change(table, id, Operation::Update, version))
    }

    fn pick_order(&mut self) -> Result<usize> {
        let count = u64::try_from(self.orders.len())?;
        Ok(usize::try_from(self.below(count))?)
    }

    /// A number below `limit`, the same ones for the same seed (xorshift).
    const fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }
}

fn change(table: &str, id: i64, operation: Operation, version: i64) -> Change {
    Change { key: RowKey { table: table.to_owned(), id }, operation, version }
}
