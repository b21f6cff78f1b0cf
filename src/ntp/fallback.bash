# The probe in bash, for hosts where the program cannot run: another processor, noexec, no base64.
# Arguments and output are those of the program (probe/main.rs), but for PORTS: bash does not choose
# the port that it asks from. Less exact: it takes the time around two processes instead of asking
# the kernel when the packet came.
fc_now() {
  if [[ -n ${EPOCHREALTIME-} ]]; then
    local t=${EPOCHREALTIME/[^0-9]/}
    REPLY=${t}000
  else
    # Before bash 5.
    REPLY=$(date +%s%N)
  fi
}

# A 32.32 timestamp (two numbers) to nanoseconds since 1970; the nearest era is taken.
fc_nanos() {
  local seconds=$(($1 - 2208988800))
  while ((seconds < fc_era - 2147483648)); do seconds=$((seconds + 4294967296)); done
  while ((seconds > fc_era + 2147483648)); do seconds=$((seconds - 4294967296)); done
  REPLY=$((seconds * 1000000000 + ($2 * 1000000000 >> 32)))
}

# One question. Sets fc_word (outcome) and, after an answer, the fields of the best sample.
fc_ask() {
  local host=$1 port=$2 timeout=$3 token= packet index t1 t4 b
  for index in 1 2 3 4 5 6 7 8; do
    # Never a line break: bash sends at each of these, and half a packet is no question.
    printf -v b '\\x%02x' $((RANDOM % 245 + 11))
    token+=$b
  done
  printf -v packet '\\x00%.0s' {1..39}
  packet="\\x23$packet$token"
  exec 3<>"/dev/udp/$host/$port" || { fc_word=unreachable; return 1; }
  fc_now; t1=$REPLY
  # One write is one datagram.
  printf "$packet" >&3 2>/dev/null || { exec 3>&-; fc_word=refused; return 1; }
  local -a p
  read -ra p < <(timeout "$timeout" dd bs=128 count=1 <&3 2>"$fc_errors" | od -An -v -tu1 -w128)
  fc_now; t4=$REPLY
  exec 3>&-
  if ((${#p[@]} < 48)); then
    fc_word=timeout
    [[ -s $fc_errors ]] && fc_word=refused
    return 1
  fi
  fc_take "$t1" "$t4" "$token" "${p[@]}"
}

fc_take() {
  local t1=$1 t4=$2 token=$3 origin= b
  shift 3
  local -a p=("$@")
  for b in "${p[@]:24:8}"; do
    printf -v b '\\x%02x' "$b"
    origin+=$b
  done
  if [[ $origin != "$token" ]] || (((p[0] & 7) != 4)); then
    ignored=$((ignored + 1)) fc_word=timeout
    return 1
  fi
  received=$((received + 1))
  fc_era=$((t4 / 1000000000))
  local t2 t3
  fc_nanos $((p[32] << 24 | p[33] << 16 | p[34] << 8 | p[35])) $((p[36] << 24 | p[37] << 16 | p[38] << 8 | p[39])); t2=$REPLY
  fc_nanos $((p[40] << 24 | p[41] << 16 | p[42] << 8 | p[43])) $((p[44] << 24 | p[45] << 16 | p[46] << 8 | p[47])); t3=$REPLY
  local offset=$((((t2 - t1) + (t3 - t4)) / 2)) delay=$(((t4 - t1) - (t3 - t2)))
  ((delay < 0)) && delay=0
  ((offset < least)) && least=$offset
  ((offset > greatest)) && greatest=$offset
  fc_word=ok
  ((p[1] >= 16 || p[0] >> 6 == 3)) && fc_word=unsynchronised
  if ((p[1] == 0)); then
    fc_word=kiss
    # chronyd without a source answers with stratum 0 and no code: that is no kiss.
    for b in "${p[@]:12:4}"; do ((b > 32 && b < 127)) || fc_word=unsynchronised; done
  fi
  if ((best_delay < 0 || delay < best_delay)); then
    best_delay=$delay best_offset=$offset stratum=${p[1]} leap=$((p[0] >> 6))
    root_delay=$(((p[4] << 24 | p[5] << 16 | p[6] << 8 | p[7]) * 1000000000 >> 16))
    root_dispersion=$(((p[8] << 24 | p[9] << 16 | p[10] << 8 | p[11]) * 1000000000 >> 16))
    printf -v refid '%02x%02x%02x%02x' "${p[@]:12:4}"
    printf -v kiss "\\x%02x\\x%02x\\x%02x\\x%02x" "${p[@]:12:4}"
  fi
}

fc_server() {
  local name=$1 address=$2 host port=123 sent=0 received=0 ignored=0 word=timeout
  local least=9223372036854775807 greatest=-9223372036854775807 best_delay=-1 best_offset stratum leap refid kiss
  local root_delay root_dispersion bound
  host=$address
  [[ $address =~ ^\[(.*)\]:([0-9]+)$ || $address =~ ^([0-9.]+):([0-9]+)$ ]] && host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}
  while ((sent < samples && sent - received < 2)); do
    sent=$((sent + 1))
    fc_ask "$host" "$port" "$timeout" 2>/dev/null
    ((received)) || word=$fc_word
    [[ $fc_word == ok || $fc_word == unsynchronised || $fc_word == kiss ]] && word=$fc_word
    [[ $fc_word == refused || $fc_word == unreachable || $fc_word == kiss ]] && break
  done
  printf '{"probe":"bash","source":"%s","address":"%s","outcome":"%s","sent":%d,"received":%d,"ignored":%d' \
    "$name" "$address" "$word" "$sent" "$received" "$ignored"
  if ((received)); then
    bound=$(((best_offset < 0 ? -best_offset : best_offset) + best_delay / 2 + root_delay / 2 + root_dispersion))
    printf ',"stratum":%d,"leap":%d,"refid":"%s","offset_ns":%d,"delay_ns":%d,"spread_ns":%d' \
      "$stratum" "$leap" "$refid" "$best_offset" "$best_delay" $((greatest - least))
    printf ',"root_delay_ns":%d,"root_dispersion_ns":%d,"error_bound_ns":%d' "$root_delay" "$root_dispersion" "$bound"
    if [[ $word == kiss ]]; then
      printf -v kiss '%b' "$kiss"
      printf ',"kiss":"%s"' "${kiss//[^A-Za-z0-9]/?}"
    fi
  fi
  printf '}\n'
  [[ $word == ok ]] && ((bound <= limit))
}

samples=$1 limit=$3
printf -v timeout '%d.%03d' $(($2 / 1000)) $(($2 % 1000))
shift 3
fc_errors=/dev/null
fc_status=1
for argument in "$@"; do
  fc_server "${argument%=*}" "${argument##*=}" && fc_status=0
done
exit $fc_status
