import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.io.PrintStream;
import java.nio.file.*;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * What made the files of this folder: DEBEZIUM is a class path with the jars of Debezium 3.6.3's embedded engine, its MySQL connector and Kafka
 * Connect 4.3; MySQL 9.7 runs on 13901 with --log-bin --gtid-mode=ON --enforce-gtid-consistency=ON --binlog-rows-query-log-events=ON.
 *
 *   javac -cp "$DEBEZIUM" -d out Oracle.java
 *   java -cp "out:$DEBEZIUM" Oracle 13901 corpus.sql . out && gzip -9n out/*.jsonl && mv out/*.jsonl.gz .
 *
 * Runs the real Debezium, one engine for each group of options, all at once beside one run of a corpus of SQL, and writes what each emits.
 * With `mariadb` at the end it is MariaDB's: Debezium 3.5.0 (no later one was published) from Maven Central's
 * debezium-connector-mariadb-3.5.0.Final-plugin.tar.gz and debezium-embedded-3.5.0.Final.jar before Kafka Connect's jars, and MariaDB 10.11 with
 * --log-bin --binlog-format=ROW --binlog-row-metadata=NO_LOG; each run on a server of its own, whose binlog is empty.
 *
 * Arguments: port of the server, file of SQL (statements end with a line of ";;"; those before a line "-- STREAM" come before the engines
 * start), directory of groups (one .properties file each), directory to write to. The last statement must insert into a table `sentinel`.
 */
public class Oracle {
  static JsonConverter converter(boolean key) {
    JsonConverter converter = new JsonConverter();
    converter.configure(Map.of("schemas.enable", "true"), key);
    return converter;
  }
  static String json(JsonConverter c, String topic, org.apache.kafka.connect.data.Schema s, Object v) throws Exception {
    byte[] bytes = c.fromConnectData(topic, s, v);
    return bytes == null ? "null" : new String(bytes, "UTF-8");
  }
  static String text(Object o) { return new com.fasterxml.jackson.databind.ObjectMapper().valueToTree(o).toString(); }

  public static void main(String[] args) throws Exception {
    boolean mariadb = args.length > 4 && args[4].equals("mariadb");
    String port = args[0], url = mariadb ? "jdbc:mariadb://127.0.0.1:" + port + "/?timezone=UTC" : "jdbc:mysql://127.0.0.1:" + port + "/?allowMultiQueries=false&connectionTimeZone=UTC&forceConnectionTimeZoneToSession=true";
    String[] halves = Files.readString(Path.of(args[1])).split("-- STREAM\n");
    List<Path> groups = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of(args[2]), "*.properties")) { for (Path p : all) groups.add(p); }
    Collections.sort(groups);
    run(url, halves[0]);
    int id = 7000;
    CountDownLatch done = new CountDownLatch(groups.size());
    Map<String, CountDownLatch> ready = new TreeMap<>();
    Path scratch = Files.createTempDirectory("oracle");
    for (Path group : groups) {
      String name = group.getFileName().toString().replace(".properties", "");
      Properties config = new Properties();
      try (var reader = Files.newBufferedReader(group)) { config.load(reader); }
      Map<String, String> base = new HashMap<>(Map.of("name", "c", "connector.class", mariadb ? "io.debezium.connector.mariadb.MariaDbConnector" : "io.debezium.connector.mysql.MySqlConnector",
          "database.hostname", "127.0.0.1", "database.port", port, "database.user", "root", "database.password", "",
          "topic.prefix", name, "database.server.id", "" + id++));
      base.putAll(Map.of("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore", "offset.storage.file.filename", scratch.resolve(name + ".offsets").toString(),
          "offset.flush.interval.ms", "100", "bootstrap.servers", "not-used:1", "schema.history.internal", "io.debezium.storage.file.history.FileSchemaHistory",
          "schema.history.internal.file.filename", Path.of(args[3], name + ".history.jsonl").toString(), "database.include.list", "corpus", "poll.interval.ms", "50"));
      for (var entry : base.entrySet()) config.putIfAbsent(entry.getKey(), entry.getValue());
      PrintStream out = new PrintStream(Files.newOutputStream(Path.of(args[3], name + ".jsonl")), false, "UTF-8");
      JsonConverter keys = converter(true), values = converter(false);
      CountDownLatch started = new CountDownLatch(1);
      ready.put(name, started);
      DebeziumEngine<ChangeEvent<SourceRecord, SourceRecord>> engine = DebeziumEngine.create(Connect.class).using(config)
          .using(new DebeziumEngine.ConnectorCallback() { public void pollingStarted() { started.countDown(); } })
          .using((boolean success, String message, Throwable error) -> {
            if (!success) { System.err.println(name + ": " + message); if (error != null) error.printStackTrace(); }
            out.flush(); started.countDown(); done.countDown();
          })
          .notifying((List<ChangeEvent<SourceRecord, SourceRecord>> batch, DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> committer) -> {
            for (var event : batch) {
              SourceRecord r = event.value();
              try {
                StringBuilder headers = new StringBuilder();
                for (Header h : r.headers())
                  headers.append(headers.isEmpty() ? "" : ",").append("[").append(text(h.key())).append(",").append(json(values, r.topic(), h.schema(), h.value())).append("]");
                out.println("{\"topic\":" + text(r.topic()) + ",\"key\":" + json(keys, r.topic(), r.keySchema(), r.key()) + ",\"value\":" + json(values, r.topic(), r.valueSchema(), r.value())
                    + ",\"headers\":[" + headers + "],\"partition\":" + text(r.sourcePartition()) + ",\"offset\":" + text(r.sourceOffset()) + "}");
              } catch (Exception e) { e.printStackTrace(); }
              committer.markProcessed(event);
              if (r.topic().contains("sentinel")) { out.flush(); done.countDown(); }
            }
            committer.markBatchFinished();
          }).build();
      new Thread(engine).start();
    }
    for (var entry : ready.entrySet()) if (!entry.getValue().await(90, TimeUnit.SECONDS)) System.err.println(entry.getKey() + " does not start");
    var beans = java.lang.management.ManagementFactory.getPlatformMBeanServer();
    for (String name : ready.keySet()) {
      var streaming = new javax.management.ObjectName("debezium." + (mariadb ? "mariadb" : "mysql") + ":type=connector-metrics,context=streaming,server=" + name);
      for (int i = 0; i < 900 && !(beans.isRegistered(streaming) && Boolean.TRUE.equals(beans.getAttribute(streaming, "Connected"))); i++) Thread.sleep(100);
    }
    Thread.sleep(1000);
    try { run(url, halves[1]); } catch (Exception e) { e.printStackTrace(); Runtime.getRuntime().halt(1); }
    if (!done.await(90, TimeUnit.SECONDS)) System.err.println("not all groups came to the sentinel");
    Thread.sleep(500);
    Runtime.getRuntime().halt(0);
  }

  static void run(String url, String sql) throws Exception {
    try (Connection c = DriverManager.getConnection(url, "root", ""); Statement s = c.createStatement()) {
      for (String statement : sql.split(";;\n")) {
        if (statement.isBlank()) continue;
        try { s.execute(statement.strip()); } catch (SQLException e) { throw new Exception(statement, e); }
      }
    }
  }
}
