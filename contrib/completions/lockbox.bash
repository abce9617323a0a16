# bash completion for lockbox(1). Installed as .../bash-completion/completions/lockbox; it needs nothing else.

_lockbox_commands="import list show export remove pending approve reject pin unpin expiring set alias explain encrypt decrypt read key inspect help"
_lockbox_global="--keyring --config --help --version"

_lockbox_files() {
    local IFS=$'\n'
    compopt -o filenames 2> /dev/null
    COMPREPLY=($(compgen -f -- "$1"))
}

_lockbox_words() {
    COMPREPLY=($(compgen -W "$1" -- "$2"))
}

_lockbox_options_of() {
    case $1 in
        list) echo --json --state --sort ;;
        show | alias | inspect | pending | approve | reject | pin | unpin) echo --json ;;
        expiring) echo --json --within ;;
        import) echo --json --replace --address --smime-ca --trust-fingerprint --subject-address --content-encryption ;;
        export) echo --binary --output ;;
        remove) echo --all --forget --yes ;;
        set) echo --content-encryption ;;
        explain) echo --from --to --client --login --tls --daemon --at --json ;;
        encrypt) echo --to --protocol --hide-subject --text --output ;;
        decrypt) echo --key --certificate --passphrase-fd --smime-ca --smime-crl --output --in-place --jobs --part --json --quiet ;;
        key) echo --name --expires --no-passphrase --another --output --autocrypt --prefer-encrypt --wkd --direct --replace ;;
        read) echo --key --certificate --passphrase-fd --smime-ca --smime-crl --message --save-attachments --part --html --text --no-pager --json ;;
    esac
}

_lockbox() {
    local current=${COMP_WORDS[COMP_CWORD]} previous= command= i
    COMPREPLY=()
    ((COMP_CWORD > 0)) && previous=${COMP_WORDS[COMP_CWORD - 1]}

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --keyring | --config) ((i++)) ;;
            -*) ;;
            *)
                command=${COMP_WORDS[i]}
                break
                ;;
        esac
    done

    case $previous in
        --save-attachments | --wkd | --keyring | --config | --output | -o | --key | --certificate | --smime-ca | --smime-crl)
            _lockbox_files "$current"
            return
            ;;
        --tls)
            _lockbox_words "TLSv1.2 TLSv1.3" "$current"
            return
            ;;
        --state)
            _lockbox_words "active pending rejected former" "$current"
            return
            ;;
        --sort)
            _lockbox_words "expiry" "$current"
            return
            ;;
        --content-encryption)
            _lockbox_words "gcm cbc" "$current"
            return
            ;;
        --from | --to | --address | --at | --within | --trust-fingerprint | --client | --login | --daemon | --name | --expires | --passphrase-fd | --jobs | --part) return ;;
    esac

    if [[ -z $command ]]; then
        if [[ $current == -* ]]; then
            _lockbox_words "$_lockbox_global" "$current"
        else
            _lockbox_words "$_lockbox_commands" "$current"
        fi
    elif [[ $command == help ]]; then
        _lockbox_words "${_lockbox_commands% help}" "$current"
    elif [[ $current == -* ]]; then
        _lockbox_words "$(_lockbox_options_of "$command") $_lockbox_global" "$current"
    else
        case $command in
            alias) [[ $previous == alias ]] && _lockbox_words "add list remove" "$current" ;;
            import | explain | encrypt | decrypt | read | inspect) _lockbox_files "$current" ;;
        esac
    fi
}

complete -F _lockbox lockbox
