import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Base64;

/** Lets the page's verify judge: lines of id|timestamp|signatures|base64 of the body come in, accepted or refused goes out. */
final class Main {
    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] part = line.split("\\|", -1);
            byte[] body = Base64.getDecoder().decode(part[3]);
            boolean accepted = Webhooks.verify(System.getenv("SECRET"), part[0], part[1], part[2], body);
            System.out.println(accepted ? "accepted" : "refused");
        }
    }
}
