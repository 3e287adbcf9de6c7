//! Prints a generated case and the question for the Go program: `show SEED [question|ours|case]`.
#![expect(clippy::print_stdout, reason = "this is a tool")]
#![expect(clippy::unwrap_used, reason = "this is a tool")]
fn main() {
    let mut args = std::env::args().skip(1);
    let seed: u64 = args.next().unwrap().parse().unwrap();
    let case = fidelity::generate(seed);
    match args.next().as_deref() {
        Some("ours") => println!("{:#?}", case.simulate().unwrap().account),
        Some("question") => println!("{}", case.question(&case.simulate().unwrap().scrape_offsets)),
        _ => println!("{}", serde_json::to_string_pretty(&case).unwrap()),
    }
}
