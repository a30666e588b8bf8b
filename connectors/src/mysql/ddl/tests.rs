//! Statements and the shapes that they leave: types, defaults, keys, alterations, and what is passed over or read again.

use api::Text;

use super::*;
use crate::mysql::shape::{ColumnDefault, ColumnShape, SqlType, TableId, TableShape};

fn mysql() -> Catalog {
    let mut catalog = Catalog::new("utf8mb4", "8.4.3");
    catalog.set_database_charset("db", "latin1");
    catalog
}

fn mariadb() -> Catalog {
    Catalog::new("utf8mb4", "10.11.6-MariaDB-log")
}

fn run(catalog: &mut Catalog, sql: &str) -> Vec<TableChange> {
    catalog.apply(&Statement { sql, database: "db", sql_mode: 0 })
}

fn id(table: &str) -> TableId {
    TableId::new("db", table)
}

/// A column in a line: `name TYPE(1,2) unsigned charset required =default`.
fn describe(column: &ColumnShape) -> String {
    let mut text = format!("{} {}", column.name, column.sql_type.name());
    match (column.length, column.scale) {
        (Some(length), Some(scale)) => text += &format!("({length},{scale})"),
        (Some(length), None) => text += &format!("({length})"),
        _ => {}
    }
    if !column.enum_values.is_empty() {
        text += &format!("({})", column.enum_values.join("|"));
    }
    for (flag, word) in [
        (column.unsigned, " unsigned"),
        (!column.optional, " required"),
        (column.auto_increment, " auto"),
        (column.generated, " generated"),
    ] {
        text += if flag { word } else { "" };
    }
    if let Some(charset) = &column.charset {
        text += &format!(" {charset}");
    }
    match &column.default {
        ColumnDefault::Unset => {}
        ColumnDefault::Null => text += " =NULL",
        ColumnDefault::Literal(literal) => text += &format!(" ={literal}"),
        ColumnDefault::CurrentTimestamp => text += " =now",
        ColumnDefault::Expression => text += " =(..)",
    }
    text
}

fn columns(shape: &TableShape) -> Vec<String> {
    shape.columns.iter().map(describe).collect()
}

fn names(shape: &TableShape) -> Vec<&str> {
    shape.columns.iter().map(|column| &*column.name).collect()
}

fn key(shape: &TableShape) -> Vec<&str> {
    shape.key_columns().iter().map(|index| &*shape.columns[*index].name).collect()
}

/// The columns of a table that one statement creates.
fn created(mut catalog: Catalog, sql: &str) -> Vec<String> {
    assert_eq!(run(&mut catalog, sql), [TableChange::Created(id("t"))], "{sql}");
    columns(catalog.table(&id("t")).unwrap())
}

/// `t (a INT PRIMARY KEY, b VARCHAR(10), c DATE)` after one statement.
fn altered(catalog: Catalog, sql: &str) -> TableShape {
    let mut catalog = catalog;
    run(&mut catalog, "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(10), c DATE) CHARSET utf8mb4");
    assert_eq!(run(&mut catalog, sql), [TableChange::Altered(id("t"))], "{sql}");
    (**catalog.table(&id("t")).unwrap()).clone()
}

#[test]
fn types_and_their_synonyms() {
    for (sql, expected) in [
        ("INT1", "x TINYINT"),
        ("MIDDLEINT(9) UNSIGNED ZEROFILL", "x MEDIUMINT(9) unsigned"),
        ("INT4 UNSIGNED NOT NULL", "x INT unsigned required"),
        ("INT8", "x BIGINT"),
        ("SERIAL", "x BIGINT unsigned required auto"),
        ("BIGINT SERIAL DEFAULT VALUE", "x BIGINT required auto"),
        ("DEC", "x DECIMAL(10,0)"),
        ("FIXED(5)", "x DECIMAL(5,0)"),
        ("NUMERIC(5,2) UNSIGNED", "x DECIMAL(5,2) unsigned"),
        ("DOUBLE PRECISION(10,2)", "x DOUBLE(10,2)"),
        ("FLOAT8", "x DOUBLE"),
        ("REAL", "x REAL"),
        ("BIT", "x BIT(1)"),
        ("CHAR", "x CHAR(1) latin1"),
        ("CHARACTER VARYING(7)", "x VARCHAR(7) latin1"),
        ("NATIONAL VARCHAR(7)", "x VARCHAR(7) utf8mb3"),
        ("NCHAR(7)", "x CHAR(7) utf8mb3"),
        ("NATIONAL CHARACTER VARYING(7)", "x VARCHAR(7) utf8mb3"),
        ("LONG VARCHAR", "x MEDIUMTEXT latin1"),
        ("LONG", "x MEDIUMTEXT latin1"),
        ("LONG VARBINARY", "x MEDIUMBLOB"),
        ("CHAR BYTE", "x BINARY(1)"),
        ("TEXT ASCII", "x TEXT latin1"),
        ("VARCHAR(5) UNICODE", "x VARCHAR(5) ucs2"),
        ("TEXT CHARSET utf8 COLLATE utf8_bin", "x TEXT utf8mb3"),
        ("VARCHAR(5) COLLATE utf8mb4_0900_ai_ci", "x VARCHAR(5) utf8mb4"),
        ("VARCHAR(5) BINARY", "x VARCHAR(5) latin1"),
        ("ENUM('a','b,c','it''s ')", "x ENUM(a|b,c|it's) latin1"),
        ("SET(x'41',_utf8'b')", "x SET(A|b) latin1"),
        ("DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)", "x DATETIME(3) =now"),
        ("TIMESTAMP NULL DEFAULT NULL", "x TIMESTAMP =NULL"),
        ("POINT NOT NULL SRID 4326", "x POINT required"),
        ("GEOMCOLLECTION", "x GEOMETRYCOLLECTION"),
        ("JSON", "x JSON"),
        ("VECTOR(3)", "x VECTOR(3)"),
        ("INT GENERATED ALWAYS AS (1 + (2)) VIRTUAL NOT NULL", "x INT required generated"),
        ("INT AS (1) STORED", "x INT generated"),
        ("INT COLUMN_FORMAT DYNAMIC STORAGE DISK COMMENT 'NOT NULL'", "x INT"),
        ("INT REFERENCES other(id) ON DELETE SET NULL ON UPDATE SET DEFAULT NOT NULL", "x INT required"),
        ("INT CHECK (x > 0) CONSTRAINT c CHECK (x < 9) NOT ENFORCED", "x INT"),
        ("INT /*!80023 INVISIBLE */ /*!50606 NOT NULL */ /*!99999 UNSIGNED */", "x INT required"),
    ] {
        let mut catalog = mysql();
        run(&mut catalog, &format!("CREATE TABLE t (x {sql}, last INT)"));
        let shape = catalog.table(&id("t")).unwrap_or_else(|| panic!("{sql}"));
        assert_eq!(columns(shape), [expected, "last INT"], "{sql}");
    }
}

#[test]
fn defaults() {
    for (sql, expected) in [
        ("INT DEFAULT 5", "x INT =5"),
        ("INT DEFAULT -5 NOT NULL", "x INT required =-5"),
        ("INT DEFAULT +5", "x INT =5"),
        ("DOUBLE DEFAULT -.5e-3", "x DOUBLE =-.5e-3"),
        ("INT DEFAULT (1 + 1) NOT NULL", "x INT required =(..)"),
        ("INT DEFAULT 1 + 1 NOT NULL", "x INT required =(..)"),
        ("INT DEFAULT uuid_short() NOT NULL", "x INT required =(..)"),
        ("INT DEFAULT b'101'", "x INT =5"),
        ("INT DEFAULT 0x0f", "x INT =15"),
        ("BIT(3) DEFAULT b'101'", "x BIT(3) =5"),
        ("BINARY(2) DEFAULT x'4142'", "x BINARY(2) =AB"),
        ("BOOL DEFAULT TRUE", "x BOOLEAN =TRUE"),
        ("DATE DEFAULT DATE'2020-01-01'", "x DATE =2020-01-01"),
        ("DATE DEFAULT '2020' '-01-01'", "x DATE =2020-01-01"),
        ("DATETIME DEFAULT NOW()", "x DATETIME =now"),
        ("DATETIME DEFAULT LOCALTIMESTAMP NOT NULL", "x DATETIME required =now"),
    ] {
        assert_eq!(created(mysql(), &format!("CREATE TABLE t (x {sql})")), [expected], "{sql}");
    }
    let texts = created(
        mysql(),
        "CREATE TABLE t (a CHAR(9) DEFAULT _utf8mb4'it''s', b CHAR(9) DEFAULT \"q\\\"\", c CHAR(9) DEFAULT '')",
    );
    assert_eq!(texts, ["a CHAR(9) latin1 =it's", "b CHAR(9) latin1 =q\"", "c CHAR(9) latin1 ="]);
}

#[test]
fn keys_and_options_of_create_table() {
    let mut catalog = mysql();
    let sql = "CREATE TABLE IF NOT EXISTS `db`.`t` (`a b` INT NOT NULL, `select` VARCHAR(5), `c.d` INT,
        CONSTRAINT `pk` PRIMARY KEY USING BTREE (`c.d`, `a b` DESC), UNIQUE KEY `u` (`select`(3)), UNIQUE `f` ((`a b` + 1)),
        KEY `k` (`a b`) USING BTREE, FULLTEXT INDEX `ft` (`select`) /*!50100 WITH PARSER `ngram` */ , SPATIAL KEY (x),
        CONSTRAINT `fk` FOREIGN KEY (`a b`) REFERENCES `o` (`id`) ON DELETE CASCADE, CONSTRAINT CHECK (`a b` <> 0))
        ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_bin COMMENT='x, (select' ROW_FORMAT=DYNAMIC
        /*!50100 PARTITION BY RANGE (`a b`) (PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB, PARTITION p1 VALUES LESS THAN MAXVALUE) */";
    assert_eq!(run(&mut catalog, sql), [TableChange::Created(id("t"))]);
    let shape = catalog.table(&id("t")).unwrap();
    assert_eq!(columns(shape), ["a b INT required", "select VARCHAR(5) utf8mb3", "c.d INT required"]);
    assert_eq!(key(shape), ["c.d", "a b"]);
    assert_eq!(shape.unique_keys.len(), 1);
    assert_eq!(run(&mut catalog, sql), [], "it is there already");
}

#[test]
fn the_key_is_the_first_unique_index_without_null() {
    for (sql, expected) in [
        ("CREATE TABLE t (a INT NOT NULL, b INT, UNIQUE (b), UNIQUE z (a))", vec!["a"]),
        ("CREATE TABLE t (a INT NOT NULL UNIQUE, b INT PRIMARY KEY)", vec!["b"]),
        ("CREATE TABLE t (a INT UNIQUE)", vec![]),
        ("CREATE TABLE t (a INT KEY, b INT)", vec!["a"]),
    ] {
        let mut catalog = mysql();
        run(&mut catalog, sql);
        assert_eq!(key(catalog.table(&id("t")).unwrap()), expected, "{sql}");
    }
}

/// Statements that a general SQL parser stumbles over, and others of their kind: 44 in all.
#[test]
fn alterations() {
    let same = ["a", "b", "c"];
    for (sql, expected) in [
        ("ALTER TABLE t ADD COLUMN x INT AFTER a", vec!["a", "x", "b", "c"]),
        ("ALTER TABLE t ADD x INT FIRST", vec!["x", "a", "b", "c"]),
        ("ALTER TABLE t ADD COLUMN (x INT, y VARCHAR(5), KEY k (x))", vec!["a", "b", "c", "x", "y"]),
        ("ALTER TABLE t CHANGE b x BIGINT UNSIGNED ZEROFILL", vec!["a", "x", "c"]),
        ("ALTER TABLE t CHANGE COLUMN b x INT FIRST", vec!["x", "a", "c"]),
        ("ALTER TABLE t MODIFY b ENUM('x','y') AFTER c", vec!["a", "c", "b"]),
        ("ALTER TABLE t RENAME COLUMN b TO x, RENAME COLUMN c TO b", vec!["a", "x", "b"]),
        ("ALTER TABLE t RENAME COLUMN b TO c, RENAME COLUMN c TO b", vec!["a", "c", "b"]),
        ("ALTER TABLE t CHANGE b c INT, CHANGE c b INT", vec!["a", "c", "b"]),
        ("ALTER TABLE t DROP b, ADD COLUMN b INT FIRST", vec!["b", "a", "c"]),
        ("ALTER TABLE t DROP COLUMN c, DROP b", vec!["a"]),
        ("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b, c)", same.to_vec()),
        ("ALTER TABLE t ADD g INT GENERATED ALWAYS AS (a * 2) STORED", vec!["a", "b", "c", "g"]),
        ("ALTER TABLE t ADD x INT INVISIBLE", vec!["a", "b", "c", "x"]),
        ("ALTER TABLE t ALTER COLUMN b SET DEFAULT ('x'), ALGORITHM=INPLACE, LOCK=NONE", same.to_vec()),
        ("ALTER TABLE t ALTER b SET DEFAULT 'x'", same.to_vec()),
        (
            "ALTER TABLE t ADD x INT, ADD CONSTRAINT fk FOREIGN KEY (x) REFERENCES o (id) ON DELETE SET NULL",
            vec!["a", "b", "c", "x"],
        ),
        ("ALTER TABLE t ADD x INT, ALGORITHM=INSTANT", vec!["a", "b", "c", "x"]),
        ("ALTER TABLE t CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin", same.to_vec()),
        ("ALTER TABLE t DEFAULT CHARACTER SET = latin1", same.to_vec()),
        ("ALTER TABLE t CHARSET latin1 COLLATE latin1_bin", same.to_vec()),
        ("ALTER TABLE t ADD x INT COLUMN_FORMAT FIXED STORAGE DISK, ENGINE=NDB", vec!["a", "b", "c", "x"]),
        ("ALTER TABLE t ADD x LONG VARCHAR CHARSET latin1", vec!["a", "b", "c", "x"]),
        ("ALTER IGNORE TABLE t ADD UNIQUE INDEX u (b)", same.to_vec()),
        ("ALTER ONLINE TABLE db.t ADD x INT PARTITION BY KEY (a) PARTITIONS 4", vec!["a", "b", "c", "x"]),
        ("ALTER TABLE t ADD x INT, ORDER BY b, a", vec!["a", "b", "c", "x"]),
        ("CREATE UNIQUE INDEX u USING BTREE ON t (b(3), c) COMMENT 'x'", same.to_vec()),
        ("DROP INDEX `PRIMARY` ON t", same.to_vec()),
        ("ALTER TABLE t ADD `partition` INT", vec!["a", "b", "c", "partition"]),
        ("ALTER TABLE t ADD COLUMN system INT", vec!["a", "b", "c", "system"]),
        ("/* hint */ ALTER TABLE t /*!80000 ADD x INT */", vec!["a", "b", "c", "x"]),
        ("alter table `t` add `x y` int default 1 comment 'a, b' after `a`;", vec!["a", "x y", "b", "c"]),
    ] {
        assert_eq!(names(&altered(mysql(), sql)), expected, "{sql}");
    }
    for (sql, expected) in [
        (
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS b INT, ADD COLUMN IF NOT EXISTS x INT",
            vec!["a", "b", "c", "x"],
        ),
        ("ALTER TABLE t DROP COLUMN IF EXISTS x, DROP COLUMN IF EXISTS b", vec!["a", "c"]),
        ("ALTER TABLE t MODIFY COLUMN IF EXISTS x INT, CHANGE COLUMN IF EXISTS b y INT", vec!["a", "y", "c"]),
        ("ALTER TABLE IF EXISTS t WAIT 5 ADD x INT WITHOUT SYSTEM VERSIONING", vec!["a", "b", "c", "x"]),
    ] {
        assert_eq!(names(&altered(mariadb(), sql)), expected, "{sql}");
    }
}

#[test]
fn what_changes_no_rows_changes_no_shape() {
    for sql in [
        "ALTER TABLE t ADD INDEX i (b), ALGORITHM=INPLACE, LOCK=NONE",
        "ALTER TABLE t ADD PARTITION (PARTITION p2 VALUES LESS THAN (20))",
        "ALTER TABLE t DROP PARTITION p0, p1",
        "ALTER TABLE t PARTITION BY HASH(a) PARTITIONS 8",
        "ALTER TABLE t REMOVE PARTITIONING",
        "ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE o WITHOUT VALIDATION",
        "ALTER TABLE t ENGINE=InnoDB",
        "ALTER TABLE t ALTER COLUMN b SET VISIBLE",
        "ALTER TABLE t RENAME INDEX i TO j, ALTER INDEX j INVISIBLE",
        "ALTER TABLE t DISCARD TABLESPACE",
        "ALTER TABLE t ADD FULLTEXT INDEX ft (b) WITH PARSER ngram",
        "ALTER TABLE t AUTO_INCREMENT = 100, CONNECTION = 'ADD x INT'",
        "ALTER TABLE t FORCE",
        "ALTER TABLE t DROP FOREIGN KEY fk, DROP CHECK c",
        "ALTER TABLE t ADD SYSTEM VERSIONING",
        "CREATE INDEX i ON t (b)",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN ALTER TABLE t DROP b; END",
        "CREATE PROCEDURE p() BEGIN DROP TABLE t; END",
        "CREATE TEMPORARY TABLE t (x INT)",
        "DROP TEMPORARY TABLE IF EXISTS t",
        "DROP VIEW t",
        "INSERT INTO t VALUES (1, 'DROP TABLE t', NULL)",
        "GRANT ALL ON *.* TO 'x'@'%'",
        "BEGIN",
        "SAVEPOINT `x`",
        "# Dummy event replacing event type 35",
        "FLUSH TABLES",
        "",
        ";",
        "'",
    ] {
        let mut catalog = mysql();
        run(&mut catalog, "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(10), c DATE)");
        let before = catalog.table(&id("t")).cloned();
        let changes = run(&mut catalog, sql);
        let is_index_only = changes == [TableChange::Altered(id("t"))];
        assert!(changes.is_empty() || is_index_only, "{sql}: {changes:?}");
        assert_eq!(catalog.table(&id("t")).cloned(), before, "{sql}");
    }
}

#[test]
fn what_is_not_understood_is_read_again() {
    for sql in [
        "ALTER TABLE t FROBNICATE COLUMN b",
        "ALTER TABLE t ADD x WIBBLE(5)",
        "ALTER TABLE t DROP COLUMN nothing_there",
        "ALTER TABLE t ADD x INT AFTER nothing_there",
        "ALTER TABLE t MODIFY",
        "CREATE OR REPLACE TABLE t AS SELECT 1",
        "CREATE OR REPLACE TABLE t (a INT) SELECT 1 AS b",
        "CREATE OR REPLACE TABLE t LIKE unknown",
        "RENAME TABLE unknown TO t",
    ] {
        let mut catalog = mariadb();
        run(&mut catalog, "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(10), c DATE)");
        let changes = run(&mut catalog, sql);
        assert_eq!(changes.last(), Some(&TableChange::Reread(id("t"))), "{sql}");
        assert_eq!(catalog.table(&id("t")), None, "{sql}");
    }
    assert_eq!(run(&mut mysql(), "ALTER TABLE unknown ADD x INT"), [TableChange::Reread(id("unknown"))]);
}

#[test]
fn tables_are_swapped_as_gh_ost_and_pt_osc_do() {
    let mut catalog = mysql();
    run(&mut catalog, "CREATE TABLE t (a INT PRIMARY KEY)");
    run(&mut catalog, "CREATE /* gh-ost */ TABLE `db`.`_t_gho` LIKE `db`.`t`");
    run(&mut catalog, "ALTER /* gh-ost */ TABLE `db`.`_t_gho` ADD COLUMN b INT");
    let changes =
        run(&mut catalog, "RENAME /* gh-ost */ TABLE `db`.`t` TO `db`.`_t_del`, `db`.`_t_gho` TO `db`.`t`");
    let renamed = |from, to| TableChange::Renamed { from: id(from), to: id(to) };
    assert_eq!(changes, [renamed("t", "_t_del"), renamed("_t_gho", "t")]);
    assert_eq!(names(catalog.table(&id("t")).unwrap()), ["a", "b"]);
    assert_eq!(&*catalog.table(&id("t")).unwrap().id.table, "t");
    assert_eq!(names(catalog.table(&id("_t_del")).unwrap()), ["a"]);
    let changes = run(&mut catalog, "ALTER TABLE t ADD COLUMN c INT, RENAME TO other.u");
    assert_eq!(changes, [TableChange::Renamed { from: id("t"), to: TableId::new("other", "u") }]);
    assert_eq!(names(catalog.table(&TableId::new("other", "u")).unwrap()), ["a", "b", "c"]);
}

#[test]
fn tables_go_and_are_emptied() {
    let mut catalog = mysql();
    for sql in ["CREATE TABLE t (a INT)", "CREATE TABLE u (a INT)", "CREATE TABLE other.v (a INT)"] {
        run(&mut catalog, sql);
    }
    assert_eq!(run(&mut catalog, "TRUNCATE t"), [TableChange::Truncated(id("t"))]);
    assert_eq!(run(&mut catalog, "TRUNCATE TABLE `db`.`u`"), [TableChange::Truncated(id("u"))]);
    let v = TableId::new("other", "v");
    let changes = run(&mut catalog, "DROP TABLE IF EXISTS t, `other`.`v` /* generated by server */");
    assert_eq!(changes, [TableChange::Dropped(id("t")), TableChange::Dropped(v)]);
    assert_eq!(run(&mut catalog, "DROP DATABASE `db`"), [TableChange::Dropped(id("u"))]);
    assert_eq!(catalog.tables().count(), 0);
}

#[test]
fn character_sets_are_inherited() {
    let mut catalog = mysql();
    let charset = |catalog: &mut Catalog, sql: &str| -> Option<Text> {
        run(catalog, "DROP TABLE t");
        run(catalog, sql);
        catalog.table(&id("t")).unwrap().columns[0].charset.clone()
    };
    let plain = "CREATE TABLE t (a TEXT)";
    assert_eq!(charset(&mut catalog, plain).as_deref(), Some("latin1"));
    run(&mut catalog, "ALTER DATABASE `db` DEFAULT CHARACTER SET = cp1251");
    assert_eq!(charset(&mut catalog, plain).as_deref(), Some("cp1251"));
    run(&mut catalog, "ALTER DATABASE COLLATE koi8r_bin");
    assert_eq!(charset(&mut catalog, plain).as_deref(), Some("koi8r"));
    run(&mut catalog, "CREATE OR REPLACE DATABASE db");
    assert_eq!(charset(&mut catalog, plain).as_deref(), Some("utf8mb4"));
    assert_eq!(charset(&mut catalog, "CREATE TABLE t (a TEXT) COLLATE gbk_bin").as_deref(), Some("gbk"));
    assert_eq!(
        charset(&mut catalog, "CREATE TABLE t (a TEXT COLLATE uca1400_ai_ci) CHARSET utf8mb3").as_deref(),
        Some("utf8mb3")
    );
    run(&mut catalog, "ALTER TABLE t CONVERT TO CHARACTER SET DEFAULT");
    assert_eq!(catalog.table(&id("t")).unwrap().columns[0].charset.as_deref(), Some("utf8mb4"));
}

#[test]
fn sessions_and_servers_differ() {
    let mut catalog = mysql();
    let ansi =
        Statement { sql: "CREATE TABLE \"t\" (\"i d\" REAL DEFAULT 1)", database: "db", sql_mode: 4 | 1 };
    assert_eq!(catalog.apply(&ansi), [TableChange::Created(id("t"))]);
    assert_eq!(columns(catalog.table(&id("t")).unwrap()), ["i d FLOAT =1"]);
    assert_eq!(
        created(mariadb(), "CREATE TABLE t (j JSON, u UUID, i INET6)"),
        ["j LONGTEXT utf8mb4", "u UUID", "i INET6"]
    );
    let compressed =
        created(mariadb(), "CREATE TABLE t (v VARCHAR(10) /*M!100301 COMPRESSED*/ DEFAULT NULL)");
    assert_eq!(compressed, ["v VARCHAR(10) utf8mb4 =NULL"]);
    let mut lower = mysql().lower_case_table_names(true);
    assert_eq!(run(&mut lower, "CREATE TABLE DB.T (a INT)"), [TableChange::Created(id("t"))]);
}

#[test]
fn show_create_table_is_read_for_any_table() {
    let catalog = mysql();
    let sql = "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `f` tinyint(1) DEFAULT '0',\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci";
    let shape = catalog.read_create_table(&id("t"), sql).unwrap();
    assert_eq!(columns(&shape), ["id INT required auto", "f TINYINT(1) =0"]);
    assert_eq!(TableShape::from_json(&shape.to_json()), Ok(shape));
    assert_eq!(catalog.read_create_table(&id("v"), "CREATE VIEW `v` AS select 1"), None);
}

#[test]
fn no_text_panics() {
    let whole = "CREATE TABLE `t` (a INT DEFAULT -1 COMMENT 'x', b ENUM('a','b') CHARACTER SET latin1, PRIMARY KEY (a), UNIQUE u (b(3))) COLLATE x_y";
    let words: Vec<&str> = whole.split(' ').collect();
    for end in 0..whole.len() {
        run(&mut mysql(), whole.get(..end).unwrap_or_default());
    }
    for left in 0..words.len() {
        for right in 0..words.len() {
            let mut mixed = words.clone();
            mixed.swap(left, right);
            run(&mut mysql(), &mixed.join(" "));
            run(&mut mysql(), &mixed.join(" ").replace("CREATE TABLE `t` (", "ALTER TABLE `t` ADD ("));
        }
    }
    let _shape = SqlType::of_name("INT");
}
