import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** The stock client of Java: it offers HTTP/2 by an upgrade with its first request. */
public class Embed {
    static int post(HttpClient client, String url, String body) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(url))
            .header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body)).build();
        var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() == 200 && !answer.body().contains("\"usage\"")) {
            throw new IllegalStateException(answer.body());
        }
        return answer.statusCode();
    }

    public static void main(String[] arguments) throws Exception {
        var url = arguments[0].replaceAll("/$", "");
        var body = "{\"input\": \"the cat\"}";
        var long_body = "{\"input\": \"" + "the cat ".repeat(20000) + "\"}";
        var stock = HttpClient.newHttpClient();
        var old = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        System.out.println(post(stock, url + "/v1/embeddings", body));
        System.out.println(post(stock, url + "/v1/embeddings", body));
        System.out.println(post(HttpClient.newHttpClient(), url + "/v1/embeddings", long_body));
        System.out.println(post(old, url + "/v1/embeddings", body));
        System.out.println(post(stock, url + "/v1/rerank",
            "{\"query\": \"a\", \"documents\": [\"a\", \"b\"]}"));
    }
}
