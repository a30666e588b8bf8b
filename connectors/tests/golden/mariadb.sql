-- What only MariaDB has, and what its row metadata says differently. Run on MariaDB 10.11.
SET time_zone = '+00:00';
CREATE DATABASE m DEFAULT CHARACTER SET latin1;
USE m;
CREATE TABLE y (id INT UNSIGNED PRIMARY KEY, a YEAR, b INT UNSIGNED, c BIGINT, d BIGINT UNSIGNED, e VARCHAR(10) COMPRESSED, f TEXT COMPRESSED, u UUID, i4 INET4, i6 INET6, j JSON, vb VARBINARY(20) COMPRESSED, w ENUM('ä','b'), t TIMESTAMP(3) NULL, n DECIMAL(5,2), x VARCHAR(5) CHARACTER SET utf8mb4);
INSERT INTO y VALUES (1, 2000, 1, -1, 18446744073709551615, 'café', REPEAT('x', 3000), '123e4567-e89b-12d3-a456-426655440000', '1.2.3.4', '::ffff:1.2.3.4', '{"a": 1}', 'abc', 'ä', '2020-01-02 03:04:05.678', -1.5, '😀');
INSERT INTO y VALUES (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO y VALUES (4000000000, 1901, 4294967295, 0, 0, '', '', '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', '[]', '', 'b', '2020-01-02 03:04:05', 0, '');
INSERT INTO y VALUES (5, 2155, 0, 1, 1, 'short', 'short', '018f3c6e-1b2a-7c3d-9e4f-0123456789ab', '255.255.255.255', '2001:db8::ff00:42:8329', '1', 'x', 'b', NULL, 999.99, 'é');
INSERT INTO y VALUES (6, 2155, 0, 1, 1, 'short', 'short', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '0.0.0.1', '::1', '1', 'x', 'b', NULL, 999.99, 'é');
INSERT INTO y VALUES (7, 2155, 0, 1, 1, 'short', 'short', '6ccd780c-baba-1026-9564-5b8c656024db', '10.0.0.0', 'fe80::', '1', 'x', 'b', NULL, 999.99, 'é');
