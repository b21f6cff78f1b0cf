# The probe in bash, for hosts where the program cannot run: another processor, noexec, no base64.
# `SAMPLES TRIES TIMEOUT_MS LIMIT_NS NAME=ADDRESS`; arguments and output are those of the program
# (probe/main.rs), but for PORTS: bash does not choose the port that it asks from. Less exact: it takes the time around two processes instead of asking
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

# The least step that the clock is seen to make; 1/64 s if it makes none.
fc_measure_grain() {
  local first look step
  fc_grain=15625000
  for step in 1 2 3 4; do
    fc_now; first=$REPLY
    for ((look = 0; look < 2000; look++)); do
      fc_now
      ((REPLY > first)) || continue
      ((REPLY - first < fc_grain)) && fc_grain=$((REPLY - first))
      break
    done
  done
}

# A clock that does not jump, in steps of 10 ms.
fc_steady() {
  local up rest
  read -r up rest </proc/uptime
  REPLY=$((10#${up/./} * 10000000))
}

# 2^PRECISION seconds, and half as much again: it is announced as the nearest power of two.
fc_grain_of() {
  local p=$1 step
  ((p > 127)) && p=$((p - 256))
  ((p > 30)) && p=30
  if ((p >= 0)); then step=$((1000000000 << p)); elif ((p > -30)); then step=$(((1000000000 >> -p) + 1)); else step=1; fi
  REPLY=$((step + step / 2))
}

# One question. Sets fc_word (outcome) and, after an answer, the fields of the best sample.
fc_ask() {
  local host=$1 port=$2 timeout=$3 token= packet index t1 t4 b up1 up4 jumped
  for index in 1 2 3 4 5 6 7 8; do
    # Never a line break: bash sends at each of these, and half a packet is no question.
    printf -v b '\\x%02x' $((RANDOM % 245 + 11))
    token+=$b
  done
  printf -v packet '\\x00%.0s' {1..39}
  packet="\\x23$packet$token"
  exec 3<>"/dev/udp/$host/$port" || { fc_word=unreachable; return 1; }
  fc_steady; up1=$REPLY
  fc_now; t1=$REPLY
  # One write is one datagram.
  if ! printf "$packet" >&3 2>/dev/null; then
    # The question has not left: the second try is for the reason.
    fc_word=refused
    case $(LC_ALL=C; printf "$packet" 2>&1 >&3) in *'not permitted') fc_word=filtered ;; esac
    exec 3>&-
    return 1
  fi
  local -a p
  read -ra p < <(timeout "$timeout" dd bs=128 count=1 <&3 2>"$fc_errors" | od -An -v -tu1 -w128)
  fc_now; t4=$REPLY
  fc_steady; up4=$REPLY
  exec 3>&-
  if ((${#p[@]} < 48)); then
    fc_word=timeout
    [[ -s $fc_errors ]] && fc_word=refused
    return 1
  fi
  # The two clocks differ by the steps of the second, unless the first was set meanwhile.
  jumped=$((t4 - t1 - (up4 - up1)))
  ((jumped < 0)) && jumped=$((-jumped))
  ((jumped > 20000000)) || jumped=0
  fc_came=$up4
  fc_take "$t1" "$t4" "$jumped" "$token" "${p[@]}"
}

fc_take() {
  local t1=$1 t4=$2 jumped=$3 token=$4 origin= b
  shift 4
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
  fc_judge "${p[@]}"
  # An answer with good time is not undone by what follows.
  [[ $word == ok && $fc_word != ok ]] && return
  # The good ones count from the first of them on.
  [[ $word != ok && $fc_word == ok ]] && best_distance=-1 least=9223372036854775807 greatest=-9223372036854775807
  [[ $fc_word == ok ]] && good=$((good + 1))
  word=$fc_word stratum=${p[1]} leap=$((p[0] >> 6))
  printf -v refid '%02x%02x%02x%02x' "${p[@]:12:4}"
  # The times of a stratum 0 mean nothing.
  ((p[1] == 0)) || fc_keep "$t1" "$t4" "$jumped" "${p[@]}"
}

# What an answer says of its server.
fc_judge() {
  local -a p=("$@")
  local code
  fc_word=ok
  ((p[1] >= 16 || p[0] >> 6 == 3)) && fc_word=unsynchronised
  ((p[1] == 0)) || return 0
  printf -v code '\\x%02x\\x%02x\\x%02x\\x%02x' "${p[@]:12:4}"
  # All other codes (INIT, STEP, none) say that the server has no time yet, and are no refusal.
  fc_word=unsynchronised
  ((p[12] == 0 || p[13] == 0 || p[14] == 0 || p[15] == 0)) && [[ ${p[12]} != 88 ]] && return 0
  printf -v code '%b' "${code//\\x00/?}"
  case $code in DENY | RSTR | RATE | X*) fc_word=kiss kiss=${code//[^A-Za-z0-9]/?} ;; esac
}

# The arithmetic of src/ntp/error.rs.
fc_keep() {
  local t1=$1 t4=$2 jumped=$3 t2 t3
  shift 3
  local -a p=("$@")
  fc_era=$((t4 / 1000000000))
  fc_nanos $((p[32] << 24 | p[33] << 16 | p[34] << 8 | p[35])) $((p[36] << 24 | p[37] << 16 | p[38] << 8 | p[39])); t2=$REPLY
  fc_nanos $((p[40] << 24 | p[41] << 16 | p[42] << 8 | p[43])) $((p[44] << 24 | p[45] << 16 | p[46] << 8 | p[47])); t3=$REPLY
  # 68 years off, one of them may be taken for the past and the other for the future.
  ((t3 - t2 > 2147483648000000000)) && t2=$((t2 + 4294967296000000000))
  ((t2 - t3 > 2147483648000000000)) && t3=$((t3 + 4294967296000000000))
  local offset=$(((t2 - t1) / 2 + (t3 - t4) / 2)) delay=$(((t4 - t1) - (t3 - t2))) distance taken=$((t4 - t1))
  ((delay < 0)) && delay=0
  ((taken < 0)) && taken=$((-taken))
  ((offset < least)) && least=$offset
  ((offset > greatest)) && greatest=$offset
  fc_grain_of "${p[3]}"
  local added=$((REPLY + fc_grain + jumped + taken / 66667 + 2))
  local far=$(((p[4] << 24 | p[5] << 16 | p[6] << 8 | p[7]) * 1000000000 >> 16))
  local spread=$(((p[8] << 24 | p[9] << 16 | p[10] << 8 | p[11]) * 1000000000 >> 16))
  distance=$((delay / 2 + far / 2 + spread + added))
  ((best_distance >= 0 && distance >= best_distance)) && return
  best_distance=$distance best_delay=$delay best_offset=$offset dispersion=$added came=$fc_came
  root_delay=$far root_dispersion=$spread
}

# What our clock may have drifted since the best answer, and the bound.
fc_bound() {
  fc_steady
  aged=$(((REPLY - came) / 66667 + 1))
  bound=$(((best_offset < 0 ? -best_offset : best_offset) + best_distance + aged))
}

# Succeeds when asking on would be of no use, or wrong: a kiss-o'-death says to stop.
fc_enough() {
  [[ -n $kiss ]] && return
  ((good == 0)) && { ((received >= 2)); return; }
  fc_bound
  ((good >= samples && bound <= limit))
}

fc_questions() {
  local start patience
  while ((sent < tries)); do
    fc_steady; start=$REPLY
    sent=$((sent + 1)) patience=$timeout
    ((sent < tries && patience < headway)) && patience=$headway
    printf -v patience '%d.%03d' $((patience / 1000)) $((patience % 1000))
    fc_ask "$host" "$port" "$patience" 2>/dev/null
    if [[ $fc_word == refused || $fc_word == unreachable || $fc_word == filtered ]]; then
      ((received)) || word=$fc_word
      return
    fi
    fc_enough && return
    ((sent < tries)) || return
    fc_steady; patience=$((headway - (REPLY - start) / 1000000))
    ((patience > 0)) && printf -v patience '%d.%03d' $((patience / 1000)) $((patience % 1000)) && sleep "$patience"
  done
}

fc_server() {
  local name=$1 address=$2 host port=123 sent=0 received=0 ignored=0 good=0 word=timeout
  local least=9223372036854775807 greatest=-9223372036854775807 best_distance=-1 best_delay best_offset
  local stratum leap refid kiss root_delay root_dispersion dispersion came aged bound within=false
  host=$address
  [[ $address =~ ^\[(.*)\]:([0-9]+)$ || $address =~ ^([0-9.]+):([0-9]+)$ ]] && host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}
  fc_questions
  printf '{"probe":"bash","source":"%s","address":"%s","outcome":"%s","sent":%d,"received":%d,"ignored":%d' \
    "$name" "$address" "$word" "$sent" "$received" "$ignored"
  [[ -n $kiss ]] && printf ',"kiss":"%s"' "$kiss"
  [[ -n $refid ]] && printf ',"stratum":%d,"leap":%d,"refid":"%s"' "$stratum" "$leap" "$refid"
  if ((best_distance >= 0)); then
    fc_bound
    printf ',"offset_ns":%d,"delay_ns":%d,"spread_ns":%d' "$best_offset" "$best_delay" $((greatest - least))
    printf ',"root_delay_ns":%d,"root_dispersion_ns":%d,"dispersion_ns":%d' \
      "$root_delay" "$root_dispersion" $((dispersion + aged))
    [[ $word == ok ]] && ((bound <= limit)) && within=true
    [[ $word == ok ]] && printf ',"error_bound_ns":%d,"within":%s' "$bound" "$within"
  fi
  printf '}\n'
  [[ $within == true ]]
}

samples=$1 tries=$2 timeout=$3 limit=$4
# Milliseconds between two questions; ntpd's `discard minimum` is two seconds.
headway=2050
fc_errors=/dev/null
fc_measure_grain
fc_server "${5%=*}" "${5##*=}"
