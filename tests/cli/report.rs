//! `deepnmf report`: the page, what it refuses, and what a browser makes of it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::fixtures::*;

/// A model of the three classes in `faces`.
fn fitted(folder: &Folder) {
    faces(folder);
    folder.ok("fit faces --layers 4,2 --device cpu --out m.safetensors");
}

fn page(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path(name)).expect("a page")
}

#[test]
fn a_page_about_a_model_and_its_data() {
    let folder = Folder::new();
    fitted(&folder);
    let json = folder.ok("report m.safetensors faces --device cpu --json").json();
    assert_eq!((&json["out"], &json["coefficients"]), (&"report.html".into(), &"stored".into()));
    assert_eq!(json["shown"].as_array().map(Vec::len), Some(7));
    assert_eq!(json["missing"], json!([]));
    let html = page(&folder, "report.html");
    assert_eq!(json["bytes"], html.len());
    for part in ["18 samples", "SDNMF/L, layers 4 → 2", "s2/5.pgm", "NMI", "of class s", "those of the training"] {
        assert!(html.contains(part), "expected `{part}`");
    }
    // Nothing is left behind but the page.
    assert_eq!(folder.names(), ["faces", "m.safetensors", "report.html"]);
}

#[test]
fn a_matrix_may_be_given_its_image_shape_for_the_page() {
    let folder = Folder::new();
    folder.write("x.npy", x_npy());
    folder.ok("fit x.npy --layers 3 --device cpu --out m.safetensors -q");
    let run = folder.ok("report m.safetensors x.npy --device cpu");
    assert!(
        run.stderr.contains("--image-shape HxW") && page(&folder, "report.html").contains("feature 3"),
        "{}",
        run.stderr
    );
    let run = folder.ok("report m.safetensors x.npy --image-shape 6x6 --device cpu");
    assert!(
        !run.stderr.contains("--image-shape HxW") && !page(&folder, "report.html").contains("feature 3"),
        "{}",
        run.stderr
    );
}

#[test]
fn without_data_the_page_says_what_it_does_not_show() {
    let folder = Folder::new();
    fitted(&folder);
    let run = folder.ok("report m.safetensors --clusters 0 --device cpu --out other.html");
    for part in ["not shown  Reconstruction: no data", "not shown  Clusters: ", "written    other.html ("] {
        assert!(run.stdout.contains(part), "expected `{part}` in: {}", run.stdout);
    }
    let quiet = folder.ok("report m.safetensors --device cpu --quiet");
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    // The model has labels: its own samples are clustered.
    assert!(page(&folder, "report.html").contains("18 samples in 3 clusters"));
}

#[test]
fn other_samples_are_projected() {
    let folder = Folder::new();
    fitted(&folder);
    for i in 0..5 {
        folder.write(&format!("others/{i}.pgm"), pgm(8, 6, 90 + 17 * i));
    }
    let json = folder.ok("report m.safetensors others --clusters 2 --device cpu --json").json();
    assert_eq!(json["coefficients"], "projected");
    let html = page(&folder, "report.html");
    assert!(html.contains("5 samples; projected") && html.contains("5 samples in 2 clusters"));
    assert!(html.contains("the samples have no labels"));
    // As many samples as the model has, but others.
    for i in 0..18 {
        folder.write(&format!("as-many/{i}.pgm"), pgm(8, 6, 200 - 9 * i));
    }
    let json = folder.ok("report m.safetensors as-many --device cpu --json").json();
    assert_eq!(json["coefficients"], "projected");
    // Of a split only the training samples have coefficients.
    folder.ok("fit faces --layers 4,2 --train-per-class 4 --device cpu --out split.safetensors");
    let json = folder.ok("report split.safetensors faces --device cpu --json").json();
    assert_eq!(json["coefficients"], "projected");
    assert!(page(&folder, "report.html").contains("4 samples of every class, seed 0; 6 left out"));
}

#[test]
fn classes_come_from_a_table() {
    let folder = Folder::new();
    faces(&folder);
    folder.ok("fit faces --layers 4,2 --device cpu --out m.safetensors");
    let mut table = "file,mood,beard\n".to_string();
    for (i, name) in list(&folder.path("faces/s0")).iter().enumerate() {
        table += &format!("s0/{name},{},no\n", ["glad", "sad"][i % 2]);
    }
    folder.write("moods.csv", table);
    let json = folder.ok("report m.safetensors faces --labels moods.csv --device cpu --json").json();
    let labels = &json["labels"];
    assert_eq!((&labels["classes"], &labels["missing"]), (&2.into(), &12.into()), "{labels}");
    let html = page(&folder, "report.html");
    assert!(html.contains("of class glad") && html.contains("12 samples without a class are left out"), "{html}");
    assert!(html.contains("NMI: the information that they share"));
    let one = "report m.safetensors faces --labels moods.csv --label beard --clusters 2 --device cpu --json";
    assert_eq!(folder.ok(one).json()["labels"]["classes"], 1);
    folder.refused(
        "report m.safetensors faces --labels moods.csv --label hat --device cpu",
        1,
        &["expected a column `hat`"],
    );
    folder.write("names.csv", "file,beard\ns0/0.pgm,no\n");
    folder.refused(
        "report m.safetensors faces --labels names.csv --device cpu",
        1,
        &["names.csv: expected a column with the class"],
    );
    folder.refused("report m.safetensors --labels moods.csv --device cpu", 2, &["<DATA>"]);
}

#[test]
fn what_makes_no_page_is_refused_before_anything_is_written() {
    let folder = Folder::new();
    fitted(&folder);
    folder.write("no-model.safetensors", "not a model");
    folder.write("small/0.pgm", pgm(4, 6, 90));
    folder.write("x.npy", x_npy());
    folder.refused("report no-model.safetensors", 1, &["no-model.safetensors", "expected a safetensors file"]);
    folder.refused("report nowhere.safetensors", 1, &["nowhere.safetensors"]);
    folder.refused("report m.safetensors nowhere", 1, &["nowhere"]);
    folder.refused(
        "report m.safetensors small --device cpu",
        1,
        &["expected samples of 48 features (6×8)", "found 24 features (6×4)", "--resize 8x6"],
    );
    folder.refused("report m.safetensors x.npy --device cpu", 1, &["expected samples of 48 features", "found 36"]);
    folder.refused("report m.safetensors --out no/report.html", 1, &["no/report.html", "found no folder no"]);
    folder.refused("report m.safetensors --out faces", 1, &["expected a file to write, found a folder"]);
    folder.refused("report m.safetensors --clusters 19 --device cpu", 2, &["expected at most 18", "found 19"]);
    folder.refused("report", 2, &["<MODEL>"]);
}

#[test]
fn the_demo_ends_with_a_page() {
    let folder = Folder::new();
    let json = folder.ok("demo --device cpu --json").json();
    let page = page(&folder, json["report"].as_str().expect("a path"));
    for part in ["Fashion-MNIST (built in)", "Ankle boot", "id=\"hierarchy\""] {
        assert!(page.contains(part), "expected `{part}`");
    }
}

/// A browser that needs no display.
fn browser() -> PathBuf {
    if let Some(path) = std::env::var_os("DEEPNMF_CHROMIUM") {
        return path.into();
    }
    let names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"];
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|p| std::env::split_paths(&p).collect()).unwrap_or_default();
    let app = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    let found =
        names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()));
    found.or_else(|| Some(app).filter(|app| app.is_file())).unwrap_or_else(|| {
        panic!(
            "expected a browser to open the page with, found none of {names:?}; tests/run.sh installs one (Debian: \
             apt-get install chromium-headless-shell), and DEEPNMF_CHROMIUM names one that is elsewhere"
        )
    })
}

/// Serves `html` as `/page` and nothing else, and keeps what was asked for.
fn serve(html: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/page", listener.local_addr().expect("an address"));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    // It ends with the test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let Some(request) = lines.next() else { continue };
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let path = request.split(' ').nth(1).unwrap_or_default().to_string();
            let (status, body) = if path == "/page" { ("200 OK", html.as_str()) } else { ("404 Not Found", "") };
            log.lock().expect("the log").push(path);
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // A browser that leaves early is no failure of the page.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    (address, requests)
}

/// What the browser has made of `page` at a width of `width` pixels: the text that a script at its end wrote, and what the
/// browser asked the server for.
fn opened(folder: &Folder, page: &Path, width: u32) -> serde_json::Value {
    let html = std::fs::read_to_string(page).expect("a page");
    let script = r#"<script>
        addEventListener("load", () => {
            const images = [...document.images];
            const bad = images.filter(i => !i.complete || i.naturalWidth === 0 || i.naturalWidth !== +i.getAttribute("width"));
            const out = document.createElement("pre");
            out.id = "found";
            out.textContent = JSON.stringify({
                images: images.length,
                broken: bad.length,
                fetched: performance.getEntriesByType("resource").map(r => r.name).filter(n => !n.startsWith("data:")),
                overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
                width: window.innerWidth,
                charts: [...document.querySelectorAll("svg")].filter(s => s.getBoundingClientRect().width > 100).length,
            });
            document.body.append(out);
        });
    </script></body>"#;
    let (address, requests) = serve(html.replacen("</body>", script, 1));
    let browser = browser();
    let mut command = Command::new(&browser);
    command.args(["--no-sandbox", "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]);
    command.arg(format!("--window-size={width},2000"));
    command.arg(format!("--user-data-dir={}", folder.path("browser").display()));
    command.arg(address);
    let output = command.output().unwrap_or_else(|e| panic!("{}: {e}", browser.display()));
    let dom = String::from_utf8_lossy(&output.stdout);
    let (_, found) = dom.split_once("<pre id=\"found\">").unwrap_or_else(|| {
        panic!("{} did not show the page: {}{dom}", browser.display(), String::from_utf8_lossy(&output.stderr))
    });
    let (found, _) = found.split_once("</pre>").expect("its end");
    let mut found: serde_json::Value = serde_json::from_str(found).expect("JSON");
    found["requests"] = requests.lock().expect("the log").clone().into();
    found
}

#[test]
fn a_browser_shows_every_picture_fetches_nothing_and_scrolls_no_page_sideways() {
    let folder = Folder::new();
    fitted(&folder);
    folder.ok("report m.safetensors faces --device cpu");
    for width in [1400, 500] {
        let found = opened(&folder, &folder.path("report.html"), width);
        let images = page(&folder, "report.html").matches("<img").count();
        assert!(images > 60, "{images}");
        assert_eq!((&found["images"], &found["broken"]), (&images.into(), &0.into()), "{found}");
        assert_eq!((&found["fetched"], &found["requests"]), (&json!([]), &json!(["/page"])), "{found}");
        assert_eq!((&found["overflow"], &found["width"]), (&0.into(), &width.into()), "{found}");
        assert_eq!(found["charts"], 3, "{found}");
    }
}

/// The test above must be able to fail.
#[test]
fn a_browser_notices_a_broken_picture_and_one_from_elsewhere() {
    let folder = Folder::new();
    folder.write(
        "bad.html",
        "<!DOCTYPE html><html><head><link rel=\"icon\" href=\"data:,\"/></head><body><img width=\"1\" src=\"data:image/png;base64,AAAA\"/>\
         <img width=\"1\" src=\"elsewhere.png\"/><p style=\"width:3000px\">wide</p></body></html>",
    );
    let found = opened(&folder, &folder.path("bad.html"), 800);
    assert_eq!(found["broken"], 2, "{found}");
    assert_eq!(found["requests"], json!(["/page", "/elsewhere.png"]), "{found}");
    assert!(found["fetched"][0].as_str().is_some_and(|f| f.ends_with("elsewhere.png")), "{found}");
    assert!(found["overflow"].as_i64().is_some_and(|o| o > 2000), "{found}");
}
