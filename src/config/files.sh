# Prints the lines of a configuration file as FILE:NUMBER:TEXT, and after them those of each file that it names.
fc_config() ( # language, file, depth
  [ -f "$2" ] && [ "$3" -lt 8 ] || exit 0
  [ -s "$2" ] || printf '%s:0:\n' "$2"
  head -c 1048576 "$2" | grep -an '' | while IFS= read -r fc_l; do printf '%s:%s\n' "$2" "$fc_l"; done
  case $1 in
  chrony) fc_k='include|confdir|sourcedir' ;;
  ntp) fc_k='includefile' ;;
  *) exit 0 ;;
  esac
  grep -aiE "^[[:space:]]*($fc_k)[[:space:]]" "$2" | while read -r fc_k fc_l; do
    case $fc_k in
    [Cc]*) for fc_d in $fc_l; do for fc_n in "$fc_d"/*.conf; do fc_config "$1" "$fc_n" $(($3 + 1)); done; done ;;
    [Ss]*) for fc_d in $fc_l; do for fc_n in "$fc_d"/*.sources; do fc_config "$1" "$fc_n" $(($3 + 1)); done; done ;;
    *) for fc_n in $fc_l; do fc_config "$1" "${fc_n%\#*}" $(($3 + 1)); done ;;
    esac
  done
)
