// RUN: xdsl-opt -p canonicalize %s | filecheck %s

// A cast to the same type, and a widening cast that is narrowed again, are nothing.
// CHECK-LABEL: @casts_that_round_nothing
// CHECK-NEXT:    "test.op"(%x, %x) : (tensor<?x8xf16>, tensor<?x8xf16>) -> ()
func.func @casts_that_round_nothing(%x: tensor<?x8xf16>) {
  %same = llm.cast %x : tensor<?x8xf16> -> tensor<?x8xf16>
  %wide = llm.cast %x : tensor<?x8xf16> -> tensor<?x8xf32>
  %back = llm.cast %wide : tensor<?x8xf32> -> tensor<?x8xf16>
  "test.op"(%same, %back) : (tensor<?x8xf16>, tensor<?x8xf16>) -> ()
  func.return
}

// A narrowing cast rounds: widening its result again is not nothing.
// CHECK-LABEL: @a_cast_that_rounds
// CHECK-NEXT:    %narrow = llm.cast %x : tensor<?x8xf32> -> tensor<?x8xf16>
// CHECK-NEXT:    %y = llm.cast %narrow : tensor<?x8xf16> -> tensor<?x8xf32>
func.func @a_cast_that_rounds(%x: tensor<?x8xf32>) {
  %narrow = llm.cast %x : tensor<?x8xf32> -> tensor<?x8xf16>
  %y = llm.cast %narrow : tensor<?x8xf16> -> tensor<?x8xf32>
  "test.op"(%y) : (tensor<?x8xf32>) -> ()
  func.return
}

// A linear layer rounds its fp32 sums itself. Its discardable attributes stay.
// CHECK-LABEL: @cast_of_a_linear_layer
// CHECK-NEXT:    %y = llm.linear %x, %w {device = "npu"} : tensor<?x8xf16>, tensor<4x8xf16> -> tensor<?x4xf16>
func.func @cast_of_a_linear_layer(%x: tensor<?x8xf16>, %w: tensor<4x8xf16>) {
  %wide = llm.linear %x, %w {device = "npu"} : tensor<?x8xf16>, tensor<4x8xf16> -> tensor<?x4xf32>
  %y = llm.cast %wide : tensor<?x4xf32> -> tensor<?x4xf16>
  "test.op"(%y) : (tensor<?x4xf16>) -> ()
  func.return
}

// CHECK-LABEL: @cast_of_a_linear_layer_with_two_users
// CHECK-NEXT:    %wide = llm.linear
// CHECK-NEXT:    %y = llm.cast
func.func @cast_of_a_linear_layer_with_two_users(%x: tensor<?x8xf16>, %w: tensor<4x8xf16>) {
  %wide = llm.linear %x, %w : tensor<?x8xf16>, tensor<4x8xf16> -> tensor<?x4xf32>
  %y = llm.cast %wide : tensor<?x4xf32> -> tensor<?x4xf16>
  "test.op"(%y, %wide) : (tensor<?x4xf16>, tensor<?x4xf32>) -> ()
  func.return
}

// As many sequences as rows: each row is the last of its sequence. With `?` nobody knows.
// CHECK-LABEL: @last_token
// CHECK-NEXT:    %last = llm.last_token %x, %seqs : tensor<?x8xf16> -> tensor<?x8xf16>
// CHECK-NEXT:    "test.op"(%last, %four)
func.func @last_token(%x: tensor<?x8xf16>, %four: tensor<4x8xf16>, %seqs: !llm.seqs) {
  %last = llm.last_token %x, %seqs : tensor<?x8xf16> -> tensor<?x8xf16>
  %same = llm.last_token %four, %seqs : tensor<4x8xf16> -> tensor<4x8xf16>
  "test.op"(%last, %same) : (tensor<?x8xf16>, tensor<4x8xf16>) -> ()
  func.return
}

// An append is kept, an attention whose result nobody uses is not.
// CHECK-LABEL: @effects
// CHECK-NEXT:    llm.kv_append
// CHECK-NEXT:    func.return
func.func @effects(%kv: !llm.kv_cache<2x3x16xf16>, %layer: index, %q: tensor<?x48xf16>, %seqs: !llm.seqs) {
  llm.kv_append %kv[%layer], %q, %q, %seqs : !llm.kv_cache<2x3x16xf16>, tensor<?x48xf16>
  %y = llm.attention %q, %kv[%layer], %seqs {heads = 3 : i64, scale = 0.25 : f32} : tensor<?x48xf16>, !llm.kv_cache<2x3x16xf16>
  func.return
}
