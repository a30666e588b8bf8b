import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.apicurio.registry.utils.converter.avro.AvroData;
import io.apicurio.registry.utils.converter.avro.AvroDataConfig;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;

/** Each line of standard input is a value as JsonConverter writes it, with its schema; each line of output says what Avro makes of it. */
public class AvroOracle {
  public static void main(String[] arguments) throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    JsonConverter json = new JsonConverter();
    json.configure(Map.of("schemas.enable", "true", "schemas.cache.size", "100", "replace.null.with.default", "false"), false);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      ObjectNode out = mapper.createObjectNode();
      JsonNode input = mapper.readTree(line);
      Map<String, Object> options = new HashMap<>();
      options.put("schemas.cache.config", 100);
      if (input.has("options")) {
        input.get("options").properties().forEach(entry -> options.put(entry.getKey(), entry.getValue().asText()));
      }
      ObjectNode envelope = mapper.createObjectNode();
      envelope.set("schema", input.get("schema"));
      envelope.set("payload", input.get("payload"));
      out.set("input", input);
      try {
        SchemaAndValue datum = json.toConnectData("t", mapper.writeValueAsBytes(envelope));
        AvroData data = new AvroData(new AvroDataConfig(options));
        org.apache.avro.Schema avro = data.fromConnectSchema(datum.schema());
        out.put("avro", avro.toString());
        Object value = data.fromConnectData(datum.schema(), datum.value());
        if (value instanceof io.apicurio.registry.serde.avro.NonRecordContainer container) {
          value = container.getValue();
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        var encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
        if (value != null) {
          new GenericDatumWriter<Object>(avro).write(value, encoder);
          encoder.flush();
          out.put("bytes", HexFormat.of().formatHex(bytes.toByteArray()));
          org.apache.avro.Schema parsed = new org.apache.avro.Schema.Parser().parse(avro.toString());
          Object read = new GenericDatumReader<Object>(parsed).read(null, DecoderFactory.get().binaryDecoder(bytes.toByteArray(), null));
          SchemaAndValue back = new AvroData(new AvroDataConfig(options)).toConnectData(parsed, read);
          out.set("back", mapper.readTree(json.fromConnectData("t", back.schema(), back.value())));
        }
      } catch (Exception | StackOverflowError error) {
        out.put("error", error.toString());
      }
      System.out.println(out);
    }
  }
}
