
# bash breaks words at colons, which addresses are full of: they are put together again, with bash-completion's help.
_PROGRAM_with_colons() {
    local cur prev words cword
    _get_comp_words_by_ref -n : cur prev words cword
    COMP_WORDS=("${words[@]}")
    COMP_CWORD=$cword
    _PROGRAM "$1" "$cur" "$prev"
    # What has a colon is no file's name, whose colons would be escaped.
    [[ "${COMPREPLY[*]}" != *:* ]] || compopt +o filenames
    __ltrim_colon_completions "$cur"
}
complete -o filenames -F _PROGRAM_with_colons PROGRAM
