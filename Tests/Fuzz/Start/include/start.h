/// As libFuzzer's own `main`, which is never called: SwiftPM has each program begin with a name of its own.
int fuzz_start(int count, char **words);
