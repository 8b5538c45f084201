import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.util.Base64;
import java.util.Properties;
import java.util.Scanner;

/** Reads URLs, one a line, as PostgreSQL's driver does; or connects and shows rows. */
public class Urls {
    private static String encoded(String text) {
        byte[] bytes = (text == null ? "" : text).getBytes(StandardCharsets.UTF_8);
        return Base64.getEncoder().encodeToString(bytes) + ".";
    }

    public static void main(String[] queries) throws Exception {
        Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8);
        while (lines.hasNextLine()) {
            String url = lines.nextLine();
            StringBuilder shown = new StringBuilder();
            if (queries.length == 0) {
                Properties read = org.postgresql.Driver.parseURL(url, null);
                for (String name : new String[] {"PGDBNAME", "user", "password", "currentSchema", "options"}) {
                    shown.append(encoded(read == null ? null : read.getProperty(name))).append(' ');
                }
            } else {
                try (Connection connection = DriverManager.getConnection(url)) {
                    for (String query : queries) {
                        ResultSet rows = connection.createStatement().executeQuery(query);
                        rows.next();
                        shown.append(encoded(rows.getString(1))).append(' ');
                    }
                }
            }
            System.out.println(shown.toString().trim());
        }
    }
}
