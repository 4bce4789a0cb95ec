# shellcheck shell=bash
# Sourced: what deploy, destroy, tail and redrive share. Reads $stack, $region and $dry_run.
# The scripts use the AWS CLI, version 1 or 2, with whatever credentials it finds.

export AWS_PAGER=''
stack=pagemill
account=''
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
dry_run=no

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need COMMAND REMEDY
need() { type -P "$1" >/dev/null || fail "$1 is missing: $2"; }

# shown COMMAND...: prints a command as it could be typed.
shown() {
  local word
  printf '+'
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=@,+%\<\>-]+$ ]]; then printf ' %s' "$word"; else printf " '%s'" "${word//\'/\'\\\'\'}"; fi
  done
  printf '\n'
}

# change COMMAND...: a command that changes something: always printed, and run unless this is a dry run. What the AWS
# CLI answers is not shown.
change() {
  shown "$@"
  [[ $dry_run == no ]] || return 0
  if [[ $1 == aws ]]; then "$@" >/dev/null; else "$@"; fi
}

# ready: checks what every script needs, and finds the region.
ready() {
  [[ $stack =~ ^[a-z][a-z0-9-]{0,31}$ ]] \
    || fail "the stack's name becomes part of a bucket's name: lower case letters, digits and hyphens, at most 32, not $stack"
  [[ $dry_run == yes ]] && { region=${region:-REGION}; account=ACCOUNT; export AWS_DEFAULT_REGION=$region; return; }
  need aws 'install the AWS CLI'
  need python3 'install Python 3'
  region=${region:-$(aws configure get region || true)}
  [[ -n $region ]] || fail 'no region: give --region, or set AWS_REGION'
  export AWS_DEFAULT_REGION=$region
  # shellcheck disable=SC2034 # for the script that sources this
  account=$(aws sts get-caller-identity --query Account --output text) || fail 'no valid credentials: log in as you do for the AWS CLI'
}

# Some services of version 1 of the CLI do not read AWS_ENDPOINT_URL, which an emulator needs.
aws() { command aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"; }

# stack_status: its status, or "absent".
stack_status() {
  local answer
  if answer=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackStatus' --output text 2>&1); then
    printf '%s\n' "$answer"
  elif [[ $answer == *'does not exist'* ]]; then
    printf 'absent\n'
  else
    printf '%s\n' "$answer" >&2
    return 1
  fi
}

# output NAME: one output of the stack; empty when there is none.
output() {
  if [[ $dry_run == yes ]]; then printf '<%s>\n' "$1"; return; fi
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$stack" --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text 2>/dev/null || true)
  [[ $value == None ]] || printf '%s\n' "$value"
}

# settle: waits until the stack is no longer in progress; fails with what failed.
settle() {
  local status last='' seconds=3
  while :; do
    status=$(stack_status)
    [[ $status == "$last" ]] || printf '  %s\n' "$status"
    last=$status
    case $status in
      CREATE_COMPLETE | UPDATE_COMPLETE | IMPORT_COMPLETE | DELETE_COMPLETE | absent) return 0 ;;
      *_IN_PROGRESS) sleep "$seconds" ;;
      *)
        aws cloudformation describe-stack-events --stack-name "$stack" --output text \
          --query "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId, ResourceStatusReason]" | head -n 20 >&2
        return 1 ;;
    esac
  done
}

# confirm QUESTION: yes from the terminal.
confirm() {
  local answer
  read -r -p "$1 [y/N] " answer || return 1
  [[ $answer == y || $answer == yes ]]
}

# run_in_stack AS_WORKER COMMAND...: runs a command of the image as a task in the stack's network, shows what it printed,
# and ends with its exit code. AS_WORKER=yes gives it the worker's role instead of the operator's.
run_in_stack() {
  local as_worker=$1 definition overrides task state='' code run
  shift
  definition=$(output OperatorTaskDefinition)
  [[ -n $definition ]] || fail "the stack $stack has no image yet: run scripts/deploy"
  overrides=$(python3 - "$([[ $as_worker == no ]] || output WorkerRoleArn)" "$@" <<'PYTHON'
import json, sys
role, *command = sys.argv[1:]
made = {"containerOverrides": [{"name": "operator", "command": command}]}
print(json.dumps(made | ({"taskRoleArn": role} if role else {})))
PYTHON
)
  run=(aws ecs run-task --cluster "$stack" --task-definition "$definition" --launch-type FARGATE --count 1
    --network-configuration "awsvpcConfiguration={subnets=[$(output SubnetIds)],securityGroups=[$(output WorkerSecurityGroupId)],assignPublicIp=DISABLED}"
    --overrides "$overrides")
  shown "${run[@]}"
  [[ $dry_run == no ]] || return 0
  task=$("${run[@]}" --query 'tasks[0].taskArn' --output text)
  [[ $task == arn:* ]] || fail 'ECS started no task; look at the service events of the cluster'
  printf 'the task %s starts, which takes a minute\n' "${task##*/}"
  until [[ $state == STOPPED ]]; do
    sleep 3
    state=$(aws ecs describe-tasks --cluster "$stack" --tasks "$task" --query 'tasks[0].lastStatus' --output text)
    [[ $state == RUNNING || $state == STOPPED ]] || ((SECONDS < 600)) \
      || fail "the task did not start within ten minutes ($state); stop it: aws ecs stop-task --cluster $stack --task $task"
  done
  aws logs get-log-events --log-group-name "$(output WorkerLogGroup)" --log-stream-name "operator/operator/${task##*/}" \
    --start-from-head --query 'events[].[message]' --output text || true
  code=$(aws ecs describe-tasks --cluster "$stack" --tasks "$task" --query 'tasks[0].containers[0].exitCode' --output text)
  [[ $code =~ ^[0-9]+$ ]] \
    || fail "the task did not run: $(aws ecs describe-tasks --cluster "$stack" --tasks "$task" --query 'tasks[0].stoppedReason' --output text)"
  return "$code"
}
