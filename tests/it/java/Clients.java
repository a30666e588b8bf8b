import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.AppInfoParser;

/** Kafka's own clients against the broker: Clients.java BOOTSTRAP_SERVERS. Ends with 0 only if everything held. */
public class Clients {
    static String servers;
    static Admin admin;

    public static void main(String[] arguments) throws Exception {
        servers = arguments[0];
        admin = Admin.create(Map.of("bootstrap.servers", servers));
        topics();
        configs();
        codecs();
        group("range", "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor", "session.timeout.ms", "6000");
        group("cooperative-sticky", "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        // The protocol of KIP-848 was a preview before version 4.
        if (!AppInfoParser.getVersion().startsWith("3.")) group("uniform", "group.protocol", "consumer");
        transactions();
        consumeTransformProduce();
        deletions();
        admin.close();
        System.out.println("all held");
        System.exit(0);
    }

    static void check(boolean holds, Object found) {
        if (!holds) throw new AssertionError(found);
    }

    static void equal(Object expected, Object found) {
        check(Objects.equals(expected, found), "expected " + expected + ", found " + found);
    }

    /** The cause of what a future ends with. */
    static Throwable failure(KafkaFuture<?> future) throws InterruptedException {
        try {
            return new AssertionError("no failure: " + future.get());
        } catch (ExecutionException failed) {
            return failed.getCause();
        }
    }

    static void topics() throws Exception {
        equal(1, admin.describeCluster().nodes().get().size());
        admin.createTopics(List.of(new NewTopic("java", 3, (short) 1), new NewTopic("java-out", 2, (short) 1))).all().get();
        Throwable again = failure(admin.createTopics(List.of(new NewTopic("java", 3, (short) 1))).all());
        check(again instanceof TopicExistsException, again);
        Throwable replicas = failure(admin.createTopics(List.of(new NewTopic("far", 1, (short) 3))).all());
        check(replicas instanceof InvalidReplicationFactorException, replicas);
        check(admin.listTopics().names().get().containsAll(Set.of("java", "java-out")), "listing");
        TopicDescription described = admin.describeTopics(List.of("java")).allTopicNames().get().get("java");
        equal(3, described.partitions().size());
        check(!described.topicId().equals(Uuid.ZERO_UUID), "a topic has an id");
        admin.createPartitions(Map.of("java", NewPartitions.increaseTo(4))).all().get();
        equal(4, admin.describeTopics(List.of("java")).allTopicNames().get().get("java").partitions().size());
        Map<Integer, Map<String, LogDirDescription>> directories = admin.describeLogDirs(List.of(nodeId())).allDescriptions().get();
        LogDirDescription directory = directories.get(nodeId()).values().iterator().next();
        check(directory.totalBytes().orElse(0) > 0, "a log directory has a size");
        check(directory.replicaInfos().containsKey(new TopicPartition("java", 0)), directory.replicaInfos().keySet());
    }

    static int nodeId() throws Exception {
        return admin.describeCluster().controller().get().id();
    }

    static void configs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "java");
        alter(topic, new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND);
        ConfigEntry policy = config(topic, "cleanup.policy");
        equal("delete,compact", policy.value());
        equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, policy.source());
        alter(topic, new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.SUBTRACT);
        equal("delete", config(topic, "cleanup.policy").value());
        alter(topic, new ConfigEntry("retention.ms", "12345678"), AlterConfigOp.OpType.SET);
        equal("12345678", config(topic, "retention.ms").value());
        alter(topic, new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE);
        check(config(topic, "retention.ms").isDefault(), "back to the default");
        AlterConfigOp wrong = new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET);
        Throwable refused = failure(admin.incrementalAlterConfigs(Map.of(topic, List.of(wrong))).all());
        check(refused instanceof InvalidConfigurationException, refused);
    }

    static void alter(ConfigResource topic, ConfigEntry entry, AlterConfigOp.OpType operation) throws Exception {
        admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(entry, operation)))).all().get();
    }

    static ConfigEntry config(ConfigResource resource, String name) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
    }

    static Properties properties(Object... pairs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", servers);
        for (int at = 0; at < pairs.length; at += 2) properties.put((String) pairs[at], pairs[at + 1]);
        return properties;
    }

    static KafkaProducer<String, String> producer(Object... pairs) {
        return new KafkaProducer<>(properties(pairs), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(Object... pairs) {
        Properties properties = properties(pairs);
        properties.putIfAbsent("auto.offset.reset", "earliest");
        properties.putIfAbsent("enable.auto.commit", "false");
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    static final int RECORDS_PER_CODEC = 2000;

    static void codecs() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            try (KafkaProducer<String, String> producer = producer("compression.type", codec)) {
                for (int number = 0; number < RECORDS_PER_CODEC; number++) {
                    ProducerRecord<String, String> record = new ProducerRecord<>("java", "" + number % 50, codec + ":" + number);
                    record.headers().add(new RecordHeader("codec", codec.getBytes())).add(new RecordHeader("empty", null));
                    producer.send(record);
                }
            }
        }
    }

    /** Two members share a topic; one leaves, and the other goes on where it was. */
    static void group(String assignor, String... protocol) throws Exception {
        String group = "java-" + assignor;
        Object[] settings = Stream.concat(Stream.of("group.id", group), Stream.of(protocol)).toArray();
        Set<String> seen = new HashSet<>();
        KafkaConsumer<String, String> first = consumer(settings);
        KafkaConsumer<String, String> second = consumer(settings);
        first.subscribe(List.of("java"));
        second.subscribe(List.of("java"));
        while (first.assignment().size() != 2 || second.assignment().size() != 2) {
            take(first, seen);
            take(second, seen);
        }
        ConsumerGroupDescription described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        equal(2, described.members().size());
        equal(assignor, described.partitionAssignor());
        second.commitSync();
        second.close();
        while (first.assignment().size() != 4 || !caughtUp(first)) take(first, seen);
        first.commitSync();
        first.close();
        equal(5 * RECORDS_PER_CODEC, seen.size());
        long committed = 0;
        for (OffsetAndMetadata offset : offsets(group).values()) committed += offset.offset();
        equal((long) 5 * RECORDS_PER_CODEC, committed);
        Map<TopicPartition, OffsetAndMetadata> back = Map.of(new TopicPartition("java", 0), new OffsetAndMetadata(1, "back"));
        admin.alterConsumerGroupOffsets(group, back).all().get();
        equal("back", offsets(group).get(new TopicPartition("java", 0)).metadata());
        admin.deleteConsumerGroupOffsets(group, Set.of(new TopicPartition("java", 1))).all().get();
        check(!offsets(group).containsKey(new TopicPartition("java", 1)), offsets(group));
        admin.deleteConsumerGroups(List.of(group)).all().get();
        check(admin.listConsumerGroups().all().get().stream().noneMatch(listed -> listed.groupId().equals(group)), group);
    }

    static Map<TopicPartition, OffsetAndMetadata> offsets(String group) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    }

    static void take(KafkaConsumer<String, String> consumer, Set<String> seen) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
            seen.add(record.value());
            String codec = new String(record.headers().lastHeader("codec").value());
            check(record.value().startsWith(codec + ":"), record);
        }
    }

    /** All values of a topic that a consumer of this isolation gets. */
    static List<String> values(String topic, String isolation) {
        try (KafkaConsumer<String, String> consumer = consumer("isolation.level", isolation)) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            List<String> values = new ArrayList<>();
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> values.add(record.value()));
            }
            return values;
        }
    }

    static void transactions() throws Exception {
        admin.createTopics(List.of(new NewTopic("java-transactions", 2, (short) 1))).all().get();
        KafkaProducer<String, String> producer = producer("transactional.id", "java", "transaction.timeout.ms", "30000");
        producer.initTransactions();
        for (int transaction = 0; transaction < 20; transaction++) {
            producer.beginTransaction();
            for (int number = 0; number < 10; number++) {
                producer.send(new ProducerRecord<>("java-transactions", number % 2, null, transaction + "-" + number));
            }
            producer.flush();
            if (transaction % 3 == 0) producer.abortTransaction();
            else producer.commitTransaction();
        }
        producer.beginTransaction();
        producer.send(new ProducerRecord<>("java-transactions", 0, null, "open-0")).get();
        openTransaction();
        List<String> committed = values("java-transactions", "read_committed");
        equal(130, committed.size());
        check(committed.stream().noneMatch(value -> value.startsWith("open") || Integer.parseInt(value.split("-")[0]) % 3 == 0), committed);
        equal(201, values("java-transactions", "read_uncommitted").size());
        // A second producer of the same id fences the first and ends its transaction.
        KafkaProducer<String, String> successor = producer("transactional.id", "java");
        successor.initTransactions();
        try {
            producer.send(new ProducerRecord<>("java-transactions", 0, null, "open-1")).get();
            producer.commitTransaction();
            throw new AssertionError("a fenced producer went on");
        } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
            // As it must be.
        } catch (ExecutionException failed) {
            boolean fenced = failed.getCause() instanceof ProducerFencedException || failed.getCause() instanceof InvalidProducerEpochException;
            check(fenced, failed);
        }
        producer.close(Duration.ZERO);
        successor.beginTransaction();
        successor.send(new ProducerRecord<>("java-transactions", 0, null, "after"));
        successor.commitTransaction();
        successor.close();
        committed = values("java-transactions", "read_committed");
        equal(131, committed.size());
        check(committed.contains("after") && committed.stream().noneMatch(value -> value.startsWith("open")), committed);
        admin.fenceProducers(List.of("java")).all().get();
    }

    /** The transaction under way is told of by every API that knows it. */
    static void openTransaction() throws Exception {
        Collection<TransactionListing> listed = admin.listTransactions(
            new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING))).all().get();
        equal(1, listed.size());
        TransactionDescription described = admin.describeTransactions(List.of("java")).all().get().get("java");
        equal(TransactionState.ONGOING, described.state());
        equal(Set.of(new TopicPartition("java-transactions", 0)), described.topicPartitions());
        TopicPartition partition = new TopicPartition("java-transactions", 0);
        DescribeProducersResult.PartitionProducerState state = admin.describeProducers(List.of(partition)).all().get().get(partition);
        equal(1L, state.activeProducers().stream().filter(active -> active.currentTransactionStartOffset().isPresent()).count());
    }

    /** Exactly once from one topic to another, over a change of the processing producer in the middle. */
    static void consumeTransformProduce() throws Exception {
        TreeMap<String, Integer> copies = new TreeMap<>();
        for (int life = 0; life < 2; life++) {
            try (KafkaConsumer<String, String> in = consumer("group.id", "copier", "isolation.level", "read_committed", "max.poll.records", "100");
                 KafkaProducer<String, String> out = producer("transactional.id", "copier")) {
                out.initTransactions();
                in.subscribe(List.of("java-transactions"));
                int batches = 0;
                while (life == 0 ? batches < 1 : !caughtUp(in)) {
                    ConsumerRecords<String, String> records = in.poll(Duration.ofMillis(100));
                    if (records.isEmpty()) continue;
                    out.beginTransaction();
                    records.forEach(record -> out.send(new ProducerRecord<>("java-out", record.key(), "copy of " + record.value())));
                    Map<TopicPartition, OffsetAndMetadata> next = new TreeMap<>((left, right) -> left.toString().compareTo(right.toString()));
                    in.assignment().forEach(partition -> next.put(partition, new OffsetAndMetadata(in.position(partition))));
                    out.sendOffsetsToTransaction(next, in.groupMetadata());
                    // The first transaction of the second life is given up and its records are copied again.
                    if (life == 1 && batches == 0) {
                        out.abortTransaction();
                        rewind(in);
                    } else {
                        out.commitTransaction();
                    }
                    batches++;
                }
            }
        }
        values("java-out", "read_committed").forEach(value -> copies.merge(value, 1, Integer::sum));
        equal(131, copies.size());
        check(copies.values().stream().allMatch(count -> count == 1), copies);
    }

    static boolean caughtUp(KafkaConsumer<String, String> consumer) {
        if (consumer.assignment().isEmpty()) return false;
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        return ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
    }

    static void rewind(KafkaConsumer<String, String> consumer) {
        consumer.committed(consumer.assignment()).forEach((partition, offset) -> consumer.seek(partition, offset == null ? 0 : offset.offset()));
    }

    static void deletions() throws Exception {
        TopicPartition partition = new TopicPartition("java", 0);
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(5))).all().get();
        equal(5L, admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).all().get().get(partition).offset());
        long newest = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).all().get().get(partition).offset();
        check(newest >= 5, newest);
        admin.deleteTopics(List.of("java")).all().get();
        Throwable gone = failure(admin.describeTopics(List.of("java")).allTopicNames());
        check(gone instanceof UnknownTopicOrPartitionException, gone);
    }
}
